// Debian's packages, where they can be installed.
import { run, which } from "../lib/run.mjs";
import { Failure, say } from "../lib/step.mjs";

/** Installs packages with apt-get if there is one and this user may; whether that went well shows when they are looked for. */
export async function installWithApt(...packages) {
  const sudo = process.getuid?.() === 0 ? [] : which("sudo") ? ["sudo", "-n"] : undefined;
  if (!which("apt-get") || !sudo) return;
  say(`Installing ${packages.join(" and ")} with apt-get`);
  const apt = (...args) => {
    const [command, ...rest] = [...sudo, "apt-get", ...args];
    return run(command, rest, { env: { DEBIAN_FRONTEND: "noninteractive" } });
  };
  try {
    await apt("update");
    await apt("install", "--yes", "--no-install-recommends", ...packages);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`apt-get could not install ${packages.join(" and ")}`);
  }
}
