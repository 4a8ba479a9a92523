// `npm run mutants`: would the tests notice if a line did something else? cargo-mutants changes the protocol's sources, one
// place at a time. Each mutant meets the quick tests first, compiled with the sources as one crate (tests/mutants); what
// survives them meets the costly tests, the stories of both ends and the simulation. What survives those, too, is a hole in
// the tests, or stands with a reason in tests/mutants/survivors.json.
//
//   npm run mutants                          all of them: hours on a small machine
//   npm run mutants -- --room wire,base      those of some rooms
//   npm run mutants -- --file tracker,due    those of files whose path has one of these in it
//   npm run mutants -- --changed             those of lines that differ from `main`, or from `--base <commit>`
//   npm run mutants -- --iterate             goes on with what an earlier run left, and tries again what survived it
//                                            without a reason
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

/**
 * Which tests a stage runs, and which of them are left out: the costly ones, and those that list the files in the package's
 * folder, which is another one here. A mutant that never ends may take memory all the while: a program of tests is ended,
 * and its mutant caught, beyond `memory` in KiB or `cpu` in seconds. Both are many times what the tests take, and unlike
 * the clock's `timeout`, in seconds, no busy machine exceeds them.
 */
const STAGES = {
  quick: {
    profile: "mutants",
    packages: ["ackwire-mutants"],
    targets: ["--lib"],
    skip: [
      ...["a_million_confirmed", "confirmed_events_cost_a_range", "confirmed_events_that_fail_again"],
      ...["acks_full_of_holes", "positions_full_of_holes", "every_timeline_is_run"],
    ],
    memory: 1_000_000,
    cpu: 8,
    timeout: 300,
    env: { PROPTEST_CASES: "32" },
  },
  thorough: {
    profile: "test",
    packages: ["ackwire", "ackwire-simulation"],
    targets: ["--lib", "--test=deliver", "--test=receive", "--test=vectors", "--test=pair", "--test=seeds"],
    skip: [],
    memory: 4_000_000,
    cpu: 900,
    timeout: 1800,
    env: {},
  },
};

const folder = join(target, "mutation");
const recorded = join(folder, "results.json");
const excuses = JSON.parse(readFileSync(join(root, "tests/mutants/survivors.json"), "utf8"));
const options = parseArgs({
  options: {
    room: { type: "string", default: ROOMS.join(",") },
    file: { type: "string", default: "" },
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
  mkdirSync(folder, { recursive: true });
  const all = identify(await list());
  const some = options.changed ? new Set(await list(await diff())) : undefined;
  const parts = options.file.split(",");
  const mutants = all.filter(
    ({ name, file }) =>
      rooms.some((room) => file.startsWith(`src/${room}/`)) &&
      parts.some((part) => file.includes(part)) &&
      (some?.has(name) ?? true),
  );
  if (mutants.length === 0 && options.file) throw new Failure(`No mutant's file has "${options.file}" in its path.`);
  const results = known(all);
  if (!options.iterate) for (const { key } of mutants) results.delete(key);
  // What has a reason to survive, and does, is not tried any further.
  const left = () =>
    mutants.filter((mutant) => {
      const outcome = results.get(mutant.key);
      return outcome === undefined || (outcome === "missed" && !excuse(mutant));
    });
  await mutate("quick", left(), all, results);
  await mutate("thorough", left(), all, results);
  return report(
    rooms,
    mutants.map((mutant) => ({ ...mutant, outcome: results.get(mutant.key) })),
  );
});

/** The names of all mutants, or of those that the arguments let through. */
async function list(args = []) {
  const names = await output("cargo", ["mutants", "--package", "ackwire", "--list", ...args]);
  if (names === undefined) throw new Failure("cargo-mutants could not list the mutants.");
  return names.split("\n").filter(Boolean);
}

/** Arguments that restrict mutants to changed lines. */
async function diff() {
  const changes = await output("git", ["diff", "--merge-base", options.base, "--", "src"]);
  if (changes === undefined) throw new Failure(`git knows no "${options.base}" to compare with: name one by --base.`);
  const path = join(folder, "changes.diff");
  writeFileSync(path, changes);
  return ["--in-diff", path];
}

/**
 * Mutants by their names. The key tells one from all others even after it has moved within its file: it has the mutant's
 * line instead of its number.
 */
function identify(names) {
  const alike = new Map();
  return names.map((name) => {
    const [, file, row, column, what] = name.match(/^(.+?):(\d+):(\d+): (.*)$/);
    const line = readFileSync(join(root, file), "utf8").split("\n")[row - 1];
    const place = `${line.slice(0, column - 1).trimStart()}▸${line.slice(column - 1)}`;
    const key = `${file}: ${what}: ${place}`;
    const before = alike.get(key) ?? 0;
    alike.set(key, before + 1);
    return { name, file, line, what, key: before === 0 ? key : `${key} (${before + 1})` };
  });
}

/** Runs mutants, and adds what became of each. */
async function mutate(stage, mutants, all, results) {
  if (mutants.length === 0) return;
  const { profile, packages, targets, skip, memory, cpu, timeout, env } = STAGES[stage];
  const limited = ["sh", "-c", `ulimit -v ${memory}; ulimit -t ${cpu}; exec "$0" "$@"`];
  const out = join(folder, stage);
  skipOthers(out, mutants, all);
  const args = [
    ...["mutants", "--package", "ackwire", "--output", out, "--iterate", "--no-shuffle", "--profile", profile],
    // Without a mutant it would run the tests of the package alone that has the sources.
    "--baseline=skip",
    ...["--jobs", options.jobs, "--timeout", String(timeout), "--colors", process.stdout.isTTY ? "always" : "never"],
    ...[...targets, `--config=target.'cfg(unix)'.runner=${JSON.stringify(limited)}`].map((arg) => `--cargo-arg=${arg}`),
    ...packages.flatMap((name) => ["--test-package", name]),
    ...["--", "--", ...skip.flatMap((name) => ["--skip", name])],
  ];
  say(`cargo mutants: ${mutants.length}, ${stage} tests`);
  // Neither a backtrace nor a smaller example of what fails is looked at.
  const quiet = { RUST_BACKTRACE: "0", PROPTEST_MAX_SHRINK_ITERS: "0" };
  const child = start("nice", ["-n", "10", "cargo", ...args], {
    env: { ...quiet, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await child.ended;
  absorb(out, all, results);
  // 2: some were missed. 3: some timed out.
  if (![0, 2, 3].includes(code)) throw new Failure(`cargo-mutants failed (${code}); see above.`);
}

/**
 * Tells cargo-mutants what not to try, as if an earlier run had caught it. Its `--re` lets every mutant through that
 * deletes a field, and has no room for hundreds of names.
 */
function skipOthers(out, mutants, all) {
  const last = join(out, "mutants.out");
  rmSync(last, { recursive: true, force: true });
  mkdirSync(last, { recursive: true });
  const tried = new Set(mutants);
  const others = all.filter((mutant) => !tried.has(mutant));
  writeFileSync(join(last, "previously_caught.txt"), others.map(({ name }) => `${name}\n`).join(""));
}

/** What earlier runs have found, whether they came to their end or not. */
function known(all) {
  const results = new Map(existsSync(recorded) ? JSON.parse(readFileSync(recorded, "utf8")) : []);
  for (const stage of Object.keys(STAGES)) absorb(join(folder, stage), all, results);
  return results;
}

/** Takes over what a run has written of its mutants. What one stage has caught, another need not. */
function absorb(out, all, results) {
  const keys = new Map(all.map(({ name, key }) => [name, key]));
  for (const outcome of ["missed", "timeout", "caught", "unviable"]) {
    const path = join(out, "mutants.out", `${outcome}.txt`);
    const names = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    for (const key of names.map((name) => keys.get(name)).filter(Boolean)) {
      if (!isSettled(results.get(key))) results.set(key, outcome);
    }
    rmSync(path, { force: true });
  }
  writeFileSync(recorded, JSON.stringify([...results], null, 1));
}

function report(rooms, mutants) {
  console.log(`\n${bold("room      mutants  unviable  caught  timeouts  missed  caught of viable")}`);
  let isBelow = false;
  for (const room of rooms) {
    const those = mutants.filter(({ file }) => file.startsWith(`src/${room}/`));
    const of = (is) => those.filter(({ outcome }) => outcome === is).length;
    const [unviable, caught, timeouts, missed] = ["unviable", "caught", "timeout", "missed"].map(of);
    const viable = those.length - unviable;
    const share = viable === 0 ? 100 : (100 * (caught + timeouts)) / viable;
    isBelow ||= share < GOAL;
    const counts = [those.length, unviable, caught, timeouts, missed].map(String);
    const cells = counts.map((count, index) => count.padStart([7, 8, 6, 8, 6][index])).join("  ");
    console.log(`${room.padEnd(8)}  ${cells}  ${`${share.toFixed(1)} %`.padStart(16)}`);
  }
  const missed = mutants.filter(({ outcome }) => outcome === "missed");
  const holes = missed.filter((mutant) => !excuse(mutant));
  console.log();
  for (const { name } of holes) console.log(red(`✗ ${name}`));
  if (isBelow) throw new Failure(`Fewer than ${GOAL} % were caught.`);
  if (holes.length > 0) throw new Failure(`${holes.length} survived without a reason in tests/mutants/survivors.json.`);
  const survived = `${missed.length} survived, each for a reason that tests/mutants/survivors.json gives`;
  say(green(missed.length === 0 ? "None survived" : survived));
  const needless = mutants.filter((mutant) => mutant.outcome === "caught" && excuse(mutant));
  for (const { name } of needless) say(`${name} is caught: its reason is no longer needed`);
}

/** Why a mutant survives: a reason names it without its place, and quotes its line. */
function excuse({ file, line, what }) {
  return excuses.find(({ mutant, at }) => mutant === `${file}: ${what}` && line.includes(at));
}

function isSettled(outcome) {
  return outcome !== undefined && outcome !== "missed";
}
