// `npm run seeded-bugs`: can the checks fail? Puts each bug of tests/simulation/bugs.json into a copy of the sources, one at
// a time, and runs the simulation, and if that does not catch it the stories and the vectors, which must. A bug that
// survives is a hole in the checks. `-- --only outbox,window` tries those with such names.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./lib/paths.mjs";
import { Failure, green, main, red, say } from "./lib/step.mjs";

const { seeds, only } = parseArgs({
  options: { seeds: { type: "string", default: "0..1200" }, only: { type: "string", default: "" } },
}).values;

/** Forty builds are worth more than the speed of what they build. */
const QUICK_TO_BUILD = {
  RUSTFLAGS: "-Awarnings",
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
  CARGO_PROFILE_RELEASE_DEBUG: "false",
  CARGO_PROFILE_RELEASE_INCREMENTAL: "true",
};

await main(async () => {
  const bugs = JSON.parse(readFileSync(join(root, "tests/simulation/bugs.json"), "utf8"));
  const copy = mkdtempSync(join(tmpdir(), "ackwire-bugs-"));
  try {
    for (const name of [
      "Cargo.toml",
      "Cargo.lock",
      "clippy.toml",
      "PROTOCOL.md",
      "benches",
      "src",
      "js",
      "server",
      "tests",
    ]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    // The newest first: they are the least proven.
    const chosen = bugs.toReversed().filter(({ name }) => only.split(",").some((part) => name.includes(part)));
    const survivors = chosen.filter((bug) => !isCaught(copy, bug));
    say(`${chosen.length - survivors.length} of ${chosen.length} bugs caught`);
    if (survivors.length > 0) throw new Failure(`Survived: ${survivors.map(({ name }) => name).join("; ")}.`);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

function isCaught(copy, { name, file, find, put }) {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(find).length !== 2) throw new Failure(`"${name}" does not stand exactly once in ${file}: update it.`);
  writeFileSync(
    path,
    text.replace(find, () => put),
  );
  try {
    cargo(copy, ["build", "--release", "--quiet", "-p", "ackwire-simulation"], true);
    const simulation = ["run", "--release", "--quiet", "-p", "ackwire-simulation", "--", "simulate", "--as-is"];
    const { status, stderr } = cargo(copy, [...simulation, "--seeds", seeds]);
    if (status !== 0) {
      const [, seed, said] = stderr.match(/^seed (\d+ of `\w+`) broke the promise: (.*)/m) ?? [];
      if (!seed) throw new Failure(`the simulation failed, and not by a seed:\n${stderr}`);
      return report(name, `seed ${seed}: ${said.slice(0, 120)}`);
    }
    const tests = ["test", "--quiet", "-p", "ackwire", "--tests"];
    cargo(copy, [...tests, "--no-run"], true);
    const { status: failed, stdout } = cargo(copy, tests);
    const test = stdout.match(/^ {4}([a-z_0-9:]+)$/m) ?? stdout.match(/^---- (\S+) stdout/m);
    return report(name, failed === 0 ? undefined : `test ${test?.[1]}`);
  } finally {
    writeFileSync(path, text);
  }
}

function report(name, catcher) {
  console.log(catcher ? `${green("✓")} ${name}: caught by ${catcher}` : red(`✗ ${name}: survived`));
  return catcher !== undefined;
}

function cargo(cwd, args, must = false) {
  const result = spawnSync("cargo", args, { cwd, encoding: "utf8", env: { ...process.env, ...QUICK_TO_BUILD } });
  if (must && result.status !== 0) throw new Failure(`cargo ${args.join(" ")} failed:\n${result.stderr}`);
  return result;
}
