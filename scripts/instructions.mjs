// `npm run instructions`: how many instructions the protocol's core takes for an event and for a frame, counted by
// callgrind, which gets the same number on a busy machine as on an idle one. Fails if one is above what
// benches/core/instructions.json holds; `npm test` checks that as well. `--record` writes that file anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, target } from "./lib/paths.mjs";
import { capture, output, run } from "./lib/run.mjs";
import { already, bold, Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureRust } from "./setup/rust.mjs";
import { ensureValgrind } from "./setup/valgrind.mjs";

/** By how many percent a count may rise: with the compiler that it was recorded with, and with another. */
const TOLERANCE = { same: 3, other: 25 };

const kept = join(root, "benches/core/instructions.json");
const program = join(target, "release/instructions");

/** Throws if the core has become more expensive; says "skipped" where nothing can be counted. */
export async function checkInstructions() {
  if (!(await ensureValgrind())) return "skipped";
  const recorded = JSON.parse(readFileSync(kept, "utf8"));
  const compiler = await rustc();
  const tolerance = compiler === recorded.rustc ? TOLERANCE.same : TOLERANCE.other;
  if (compiler !== recorded.rustc) {
    say(`Recorded with rustc ${recorded.rustc}, this is ${compiler}: ${tolerance} % more is let pass`);
  }
  const counts = await count();
  const changes = Object.entries(counts).map(([name, { unit, instructions }]) => {
    const before = recorded.counts[name]?.instructions;
    const percent = before === undefined ? Number.NaN : (100 * (instructions - before)) / before;
    console.log(row(name, unit, instructions, percent, tolerance));
    return { name, percent };
  });
  const unknown = changes.filter(({ percent }) => Number.isNaN(percent)).map(({ name }) => name);
  const worse = changes.filter(({ percent }) => percent > tolerance).map(({ name }) => name);
  if (unknown.length > 0) throw new Failure(`Not recorded yet: ${unknown.join("; ")}: ${remedy}`);
  if (worse.length > 0)
    throw new Failure(`More instructions than recorded: ${worse.join("; ")}. If that has to be, ${remedy}`);
  return "passed";
}

const remedy = "`npm run instructions -- --record` keeps the new counts.";

/** Counts all scenarios, one after the other. */
async function count() {
  say("Building what callgrind runs");
  await run("cargo", ["build", "--release", "--quiet", "--package", "ackwire-benches", "--bin", "instructions"]);
  const scenarios = JSON.parse(await output(program));
  const counts = {};
  for (const { name, units, unit } of scenarios) {
    const flags = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"];
    const { code, text } = await capture("valgrind", [...flags, program, name]);
    const collected = text.match(/Collected : (\d+)/);
    if (code !== 0 || !collected) throw new Failure(`callgrind failed on "${name}":\n${text}`);
    counts[name] = { unit, instructions: Math.round(Number(collected[1]) / units) };
  }
  return counts;
}

async function rustc() {
  return (await output("rustc", ["--version"])).match(/^rustc (\S+)/)[1];
}

function row(name, unit, instructions, percent, tolerance) {
  const change = `${percent > 0 ? "+" : ""}${percent.toFixed(1)} %`;
  const painted = percent > tolerance ? red(change) : percent < 0 ? green(change) : change;
  return `  ${name.padEnd(56)}${String(instructions).padStart(8)} a ${unit.padEnd(6)} ${painted}`;
}

async function record() {
  if (!(await ensureValgrind())) throw new Failure("Without valgrind there is nothing to record.");
  const counts = await count();
  writeFileSync(kept, `${JSON.stringify({ rustc: await rustc(), counts }, null, 2)}\n`);
  for (const [name, { unit, instructions }] of Object.entries(counts)) {
    console.log(`  ${name.padEnd(56)}${String(instructions).padStart(8)} a ${unit}`);
  }
  already(`${bold("benches/core/instructions.json")} is written`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await ensureRust();
    await (process.argv.includes("--record") ? record() : checkInstructions());
  });
}
