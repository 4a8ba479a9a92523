// `npm run chaos`: five minutes of real trouble between real pages and a real server, and a report that says whether
// anything was lost, repeated, out of order, or confirmed without being applied. `npm run soak`: 1,000 cuts, 100 kills.
// Options: `npm run chaos -- --minutes 5 --cuts 150 --kills 15 --servers 3 --seed 7 --json report.json`; several servers
// share a Redis. Exit code 1 on a violation.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildPackage, buildServer, ensureBuildTools } from "./build.mjs";
import { onStop } from "./lib/signals.mjs";
import { Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { ensureRedis } from "./setup/redis.mjs";

/** The pace: what a soak of 35 minutes has, in shorter runs as well. */
const CUTS_PER_MINUTE = 1_000 / 35;
const KILLS_PER_MINUTE = 100 / 35;

await main(async () => {
  const { minutes, cuts, kills, servers, seed, json } = options();
  if (servers > 1) await ensureRedis();
  process.env.CHROME_PATH = await ensureChromium();
  await ensureBuildTools();
  await buildPackage();
  process.env.ACKWIRE_SERVER = await buildServer({ release: false });
  const { anySeed } = await import("../tests/browser/harness/random.mjs");
  const { runChaos } = await import("../tests/browser/chaos/index.mjs");
  const { progressLine, reportText } = await import("../tests/browser/chaos/report.mjs");
  const { Scope } = await import("../tests/browser/chaos/scope.mjs");

  const scope = new Scope();
  onStop(() => scope.close());
  const run = { seed: seed ?? anySeed(), minutes, cuts, kills, servers };
  const whose = servers > 1 ? ` of ${servers} servers` : "";
  say(`${minutes} minutes with ${cuts} cuts and ${kills} kills${whose}, seed ${run.seed}`);
  try {
    const onProgress = (state) => console.log(progressLine(state));
    const report = await runChaos(scope, { ...run, onProgress });
    const isGood = report.violations.length === 0;
    console.log(`\n${(isGood ? green : red)(reportText(report))}`);
    if (json) writeFileSync(resolve(json), `${JSON.stringify(report, undefined, 2)}\n`);
    return isGood ? 0 : 1;
  } finally {
    await scope.close();
  }
});

function options() {
  const names = ["minutes", "cuts", "kills", "servers", "seed"];
  const types = Object.fromEntries([...names, "json"].map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ options: types });
  const numbers = {};
  for (const name of names) {
    if (values[name] === undefined) continue;
    numbers[name] = Number(values[name]);
    if (!(numbers[name] >= 0)) throw new Failure(`--${name} takes a number, not "${values[name]}".`);
  }
  const { minutes = 5, servers = 1, seed } = numbers;
  const cuts = numbers.cuts ?? Math.round(minutes * CUTS_PER_MINUTE);
  const kills = numbers.kills ?? Math.round(minutes * KILLS_PER_MINUTE);
  return { minutes, cuts, kills, servers, seed, json: values.json };
}
