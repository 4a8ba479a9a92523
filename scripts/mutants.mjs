// `npm run mutants`: would the tests notice if a line did something else? cargo-mutants changes the protocol's sources, one
// place at a time. Each mutant meets the quick tests first, compiled with the sources as one crate (tests/mutants); what
// survives them meets the stories of both ends and the simulation. What survives those, too, is a hole in the tests, or
// stands with a reason in tests/mutants/survivors.json.
//
//   npm run mutants                          all of them: hours on a small machine
//   npm run mutants -- --room wire,base      those of some rooms
//   npm run mutants -- --changed             those of lines that differ from `main`, or from `--base <commit>`
//   npm run mutants -- --iterate             goes on with what an earlier run left, and tries again what survived it
//   npm run mutants -- --jobs 4              so many at a time; 2 if not said

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root, target } from "./lib/paths.mjs";
import { output, start } from "./lib/run.mjs";
import { bold, Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureCargoMutants } from "./setup/cargo-tools.mjs";
import { ensureRust } from "./setup/rust.mjs";

const ROOMS = ["wire", "base", "receive", "deliver"];

/** Percent of the viable mutants that are to be caught, in each room. */
const GOAL = 90;

/** A mutant that never ends may take memory all the while. In KiB. */
const MEMORY = 6_000_000;

/** Where the tests of a stage run, and for how long; which are left out because of their cost. */
const STAGES = {
  quick: {
    packages: ["ackwire-mutants"],
    targets: "--lib",
    skip: ["a_million_confirmed", "confirmed_events_cost_a_range", "acks_full_of_holes", "every_timeline_is_run"],
    timeout: 40,
    env: { PROPTEST_CASES: "64" },
  },
  thorough: {
    packages: ["ackwire", "ackwire-simulation"],
    targets: "--tests",
    skip: ["a_million_confirmed"],
    timeout: 900,
    env: {},
  },
};

const folder = join(target, "mutants");
const options = parseArgs({
  options: {
    room: { type: "string", default: ROOMS.join(",") },
    changed: { type: "boolean", default: false },
    base: { type: "string", default: "main" },
    iterate: { type: "boolean", default: false },
    jobs: { type: "string", default: "2" },
  },
}).values;

await main(async () => {
  const rooms = options.room.split(",");
  const unknown = rooms.find((room) => !ROOMS.includes(room));
  if (unknown !== undefined) throw new Failure(`There is no room "${unknown}": choose among ${ROOMS.join(", ")}.`);
  await ensureRust();
  await ensureCargoMutants();
  if (!options.iterate) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const within = rooms.map((room) => `^src/${room}/`);
  const results = await mutate("quick", within, options.changed ? await diff() : []);
  const survivors = [...results].filter(([, outcome]) => outcome === "missed").map(([name]) => `^${escaped(name)}$`);
  if (survivors.length > 0) {
    say(`${survivors.length} survived the quick tests; on to the simulation`);
    for (const [name, outcome] of await mutate("thorough", survivors)) results.set(name, outcome);
  }
  return report(rooms, results);
});

/** Arguments that restrict mutants to changed lines. */
async function diff() {
  const changes = await output("git", ["diff", options.base, "--", "src"]);
  if (changes === undefined) throw new Failure(`git knows no "${options.base}" to compare with: name one by --base.`);
  const path = join(folder, "changes.diff");
  writeFileSync(path, changes);
  return ["--in-diff", path];
}

/** Runs the mutants whose names match; what became of each, by its name. */
async function mutate(stage, names, more = []) {
  const { packages, targets, skip, timeout, env } = STAGES[stage];
  const out = join(folder, stage);
  mkdirSync(out, { recursive: true });
  const before = read(out);
  const args = [
    ...["mutants", "--package", "ackwire", "--output", out, "--jobs", options.jobs, "--timeout", String(timeout)],
    ...["--colors", process.stdout.isTTY ? "always" : "never", `--cargo-arg=${targets}`],
    ...packages.flatMap((name) => ["--test-package", name]),
    ...names.flatMap((name) => ["--re", name]),
    ...(options.iterate ? ["--iterate"] : []),
    ...more,
    ...["--", "--", ...skip.flatMap((name) => ["--skip", name])],
  ];
  say(`cargo mutants, ${stage} tests`);
  // Neither a backtrace nor a smaller example of what fails is looked at.
  const quiet = { RUST_BACKTRACE: "0", PROPTEST_MAX_SHRINK_ITERS: "0" };
  const limited = ["-c", `ulimit -v ${MEMORY} 2>/dev/null; exec nice -n 10 cargo "$@"`, "cargo", ...args];
  const child = start("sh", limited, { env: { ...quiet, ...env }, stdio: ["ignore", "inherit", "inherit"] });
  const code = await child.ended;
  // 2: some were missed. 3: some timed out.
  if (![0, 2, 3].includes(code)) throw new Failure(`cargo-mutants failed (${code}); see above.`);
  const results = new Map([...before, ...read(out)]);
  writeFileSync(join(out, "results.json"), JSON.stringify([...results], null, 1));
  const still = new Set((await output("cargo", ["mutants", "--package", "ackwire", "--list"])).split("\n"));
  return new Map([...results].filter(([name]) => still.has(name)));
}

/** What is known so far: of runs that came to their end, and of the last one, which perhaps did not. */
function read(out) {
  const recorded = join(out, "results.json");
  const results = new Map(existsSync(recorded) ? JSON.parse(readFileSync(recorded, "utf8")) : []);
  for (const outcome of ["caught", "missed", "timeout", "unviable"]) {
    const path = join(out, "mutants.out", `${outcome}.txt`);
    const names = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
    for (const name of names) results.set(name, outcome);
  }
  return results;
}

function report(rooms, results) {
  const excuses = JSON.parse(readFileSync(join(root, "tests/mutants/survivors.json"), "utf8"));
  console.log(`\n${bold("room      mutants  unviable  caught  timeouts  missed  caught of viable")}`);
  let isBelow = false;
  for (const room of rooms) {
    const of = (outcome) =>
      [...results].filter(([name, is]) => name.startsWith(`src/${room}/`) && is === outcome).length;
    const [unviable, caught, timeouts, missed] = ["unviable", "caught", "timeout", "missed"].map(of);
    const viable = caught + timeouts + missed;
    const share = viable === 0 ? 100 : (100 * (caught + timeouts)) / viable;
    isBelow ||= share < GOAL;
    const counts = [viable + unviable, unviable, caught, timeouts, missed].map(String);
    const cells = counts.map((count, index) => count.padStart([7, 8, 6, 8, 6][index])).join("  ");
    console.log(`${room.padEnd(8)}  ${cells}  ${`${share.toFixed(1)} %`.padStart(16)}`);
  }
  const missed = [...results].filter(([, outcome]) => outcome === "missed").map(([name]) => name);
  const holes = missed.filter((name) => !excuses.some(({ mutant, at }) => isExcused(name, mutant, at)));
  console.log();
  for (const name of holes) console.log(red(`✗ ${name}`));
  if (isBelow) throw new Failure(`Fewer than ${GOAL} % were caught.`);
  if (holes.length > 0) throw new Failure(`${holes.length} survived without a reason in tests/mutants/survivors.json.`);
  say(green(`${missed.length} survived, each for a reason that tests/mutants/survivors.json gives`));
}

/** A reason names the mutant without its place, and quotes its line: that outlives changes elsewhere in the file. */
function isExcused(name, mutant, at) {
  const [, file, line, what] = name.match(/^(.+?):(\d+):\d+: (.*)$/);
  if (mutant !== `${file}: ${what}`) return false;
  return readFileSync(join(root, file), "utf8").split("\n")[line - 1].includes(at);
}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
