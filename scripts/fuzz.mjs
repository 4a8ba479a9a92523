// `npm run fuzz -- [target…] [--minutes N] [--minimise]`: fuzzes the targets of fuzz/ at the same time, an hour each unless
// told otherwise, and reports what each did. What they find to be interesting stays in target/fuzz; `--minimise` makes the
// small corpora of the repository from it instead of fuzzing.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeSeeds } from "./fuzz/seeds.mjs";
import { target as built, root } from "./lib/paths.mjs";
import { readLines, run, start } from "./lib/run.mjs";
import { Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureCargoFuzz } from "./setup/cargo-tools.mjs";
import { ensureNightly } from "./setup/rust.mjs";

const TARGETS = ["frames", "sessions", "http"];
/** Longest input, in bytes: what takes more is rarely worth its time. */
const MAX_LENGTH = { frames: 2048, sessions: 2048, http: 2048 };
/** One input may take so many seconds; a loaded machine is slow. */
const TIMEOUT = 60;

const work = join(built, "fuzz");
/** Of one target: its own finds, the repository's corpus, and where all began: the frames of the test vectors, written here. */
const found = (target) => join(work, "found", target);
const kept = (target) => join(root, "fuzz/corpus", target);
const seeds = (target) => (target === "frames" ? join(work, "seeds/frames") : join(root, "fuzz/seeds", target));
const crashes = (target) => join(work, "crashes", target);

/** No sanitizer: none of this is unsafe code, and without one it is twice as fast. */
const options = ["--fuzz-dir", "fuzz", "--target-dir", work, "--sanitizer", "none"];

await main(async () => {
  const { targets, minutes, minimise } = choose();
  await ensureNightly();
  await ensureCargoFuzz();
  writeSeeds(seeds("frames"));
  for (const target of targets) {
    for (const folder of [found(target), crashes(target)]) mkdirSync(folder, { recursive: true });
  }
  say(`Building ${targets.join(", ")}`);
  for (const target of targets) await cargoFuzz("build", target);
  if (minimise) {
    for (const target of targets) await minimiseCorpus(target);
    return 0;
  }
  say(`Fuzzing for ${minutes} minutes; finds go to ${work}`);
  const reports = await Promise.all(targets.map((target) => fuzz(target, minutes)));
  for (const report of reports) console.log(tell(report));
  return reports.every(({ code }) => code === 0) ? 0 : 1;
});

function choose() {
  const options = { minutes: { type: "string", default: "61" }, minimise: { type: "boolean", default: false } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.find((name) => !TARGETS.includes(name));
  if (unknown) throw new Failure(`There is no target "${unknown}": choose among ${TARGETS.join(", ")}.`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Failure("--minutes takes a number above 0.");
  return { targets: positionals.length ? positionals : TARGETS, minutes, minimise: values.minimise };
}

function cargoFuzz(command, target, ...more) {
  return run("cargo", ["+nightly", "fuzz", command, ...options, target, ...more]);
}

/** Runs one target to its end, and reads its report from what it prints. */
async function fuzz(target, minutes) {
  const flags = [
    `-max_total_time=${Math.ceil(minutes * 60)}`,
    `-max_len=${MAX_LENGTH[target]}`,
    `-timeout=${TIMEOUT}`,
    `-artifact_prefix=${crashes(target)}/`,
    "-print_final_stats=1",
    "-use_value_profile=1",
    ...dictionary(target),
  ];
  const corpora = [found(target), kept(target), seeds(target)].filter(existsSync);
  const args = ["-n", "15", "cargo", "+nightly", "fuzz", "run", ...options, target, ...corpora, "--", ...flags];
  const begun = performance.now();
  const child = start("nice", args, { stdio: ["ignore", "ignore", "pipe"] });
  const report = { target, stats: {} };
  const log = [];
  await readLines(child.stderr, (line) => {
    log.push(line);
    const stat = line.match(/^stat::(\w+):\s+(\d+)/);
    if (stat) report.stats[stat[1]] = Number(stat[2]);
    const pulse = line.match(/^#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)\/(\S+)/);
    if (pulse) [, report.cov, report.ft, report.corpus, report.bytes] = pulse;
    if (/^#\d+\s+pulse/.test(line)) console.log(`${target}: ${line}`);
  });
  report.code = await child.ended;
  report.seconds = Math.round((performance.now() - begun) / 1000);
  writeFileSync(join(work, `${target}.log`), `${log.join("\n")}\n`);
  if (report.code !== 0) console.error(red(log.slice(-40).join("\n")));
  return report;
}

function dictionary(target) {
  const file = join(root, "fuzz/dictionaries", `${target}.dict`);
  return existsSync(file) ? [`-dict=${file}`] : [];
}

function tell({ target, code, seconds, stats, cov, ft, corpus, bytes }) {
  const done = `${target}: ${stats.number_of_executed_units} executions in ${seconds} s`;
  const seen = `coverage ${cov}, features ${ft}, corpus ${corpus} inputs of ${bytes} together`;
  return code === 0 ? green(`✓ ${done}, ${seen}`) : red(`✗ ${done}, ${seen}: failed, see ${crashes(target)}`);
}

/** Keeps of everything known the fewest inputs that reach the same edges. How often they do does not count here. */
async function minimiseCorpus(target) {
  const least = join(work, "least", target);
  rmSync(least, { recursive: true, force: true });
  mkdirSync(least, { recursive: true });
  const corpora = [kept(target), found(target), seeds(target)].filter(existsSync);
  const flags = ["-set_cover_merge=1", "-use_counters=0", `-max_len=${MAX_LENGTH[target]}`];
  await cargoFuzz("run", target, least, ...corpora, "--", ...flags);
  rmSync(kept(target), { recursive: true, force: true });
  renameSync(least, kept(target));
  const names = readdirSync(kept(target));
  const bytes = names.reduce((sum, name) => sum + readFileSync(join(kept(target), name)).length, 0);
  say(`${target}: ${names.length} inputs, ${bytes} bytes`);
}
