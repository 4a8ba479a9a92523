// Builds the npm package (dist/) and the server. `npm run build` builds both, for release.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { unlessFresh } from "./lib/fresh.mjs";
import { executable, inner, root, target } from "./lib/paths.mjs";
import { run } from "./lib/run.mjs";
import { already, main, say } from "./lib/step.mjs";
import { ensureWasmBindgen } from "./setup/cargo-tools.mjs";
import { ensureNodeModules } from "./setup/node-modules.mjs";
import { ensureRust } from "./setup/rust.mjs";

/** What a build needs. */
export async function ensureBuildTools() {
  await ensureRust();
  await ensureWasmBindgen();
  await ensureNodeModules();
}

/** The package as users get it, in `dist/`. */
export async function buildPackage() {
  const built = await unlessFresh(
    "package",
    {
      inputs: [
        ...["src", "js", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"],
        ...["tsconfig.json", "scripts/build-package.mjs", "scripts/lib/shrink.mjs"],
      ],
      outputs: ["dist/index.js", relative(root, join(inner, "ackwire.wasm"))],
    },
    () => {
      say("Building the npm package into dist/");
      return run(process.execPath, ["scripts/build-package.mjs"]);
    },
  );
  if (!built) already("Package in dist/");
}

/** The server's program; returns its path. */
export async function buildServer({ release }) {
  const profile = release ? "release" : "debug";
  const program = join(target, profile, executable("ackwire-server"));
  say(`Building the server (${profile})${existsSync(program) ? "" : "; the first time takes minutes"}`);
  await run("cargo", ["build", "--package", "ackwire-server", ...(release ? ["--release"] : [])]);
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await ensureBuildTools();
    await buildPackage();
    await buildServer({ release: true });
  });
}
