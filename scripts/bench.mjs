// `npm run bench`: Ackwire and what it would replace, side by side in a real browser. Options:
// `npm run bench -- --workload small,large --only bare,ackwire --runs 5 --quick --out docs`. Exit code 1 if a run failed.
// Each workload's result is written when it is done; with less than all of it nothing is, unless `--out` says where.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildPackage, buildServer, ensureBuildTools } from "./build.mjs";
import { root } from "./lib/paths.mjs";
import { onStop } from "./lib/signals.mjs";
import { dim, Failure, main, red, say, seconds } from "./lib/step.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { ensureNatsServer } from "./setup/nats-server.mjs";
import { ensurePeers } from "./setup/peers.mjs";

await main(async () => {
  const options = readOptions();
  if (process.platform !== "linux")
    throw new Failure("The benchmark reads processor times from /proc: run it on Linux.");
  process.env.CHROME_PATH = await ensureChromium();
  await ensureBuildTools();
  await ensurePeers();
  const without = (await ensureNatsServer()) ? [] : ["nats"];
  await buildPackage();
  process.env.ACKWIRE_SERVER = await buildServer({ release: true });
  const { bench } = await import("../benches/browser/bench.mjs");
  const { describeMachine } = await import("../benches/browser/lib/machine.mjs");
  const { Scope } = await import("../benches/browser/lib/scope.mjs");
  const { writeReport } = await import("../benches/browser/report/index.mjs");

  const scope = new Scope();
  onStop(() => scope.close());
  const since = performance.now();
  let failed = 0;
  try {
    const machine = await describeMachine();
    await bench(scope, {
      ...options,
      without,
      onWorkload: ({ key, title, contestants }) =>
        say(`${key}: ${title}; ${contestants} contestants, ${options.runs} runs each`),
      onRun: ({ run, name, row }) => {
        if (row.error) failed++;
        const what = row.error ? red(row.error) : dim(summary(row));
        console.log(`  ${seconds(since).padStart(9)}  ${run}/${options.runs}  ${name.padEnd(22)} ${what}`);
      },
      onResult: async ({ key, rows }) => {
        const report = { machine, runs: options.runs, quick: options.quick, results: { [key]: rows } };
        if (options.out) for (const path of await writeReport(options.out, report)) say(`Wrote ${path}`);
      },
    });
    return failed > 0 ? 1 : 0;
  } finally {
    await scope.close();
  }
});

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      workload: { type: "string", default: "" },
      runs: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  const list = (text) => text.split(",").filter(Boolean);
  const [only, workload, runs] = [list(values.only), list(values.workload), Number(values.runs)];
  if (!(Number.isInteger(runs) && runs >= 1 && runs <= 100)) throw new Failure("--runs is from 1 to 100.");
  const isWhole = only.length === 0 && workload.length === 0 && !values.quick;
  const out = values.out ?? (isWhole ? "docs" : undefined);
  return { only, workload, runs, quick: values.quick, out: out && resolve(root, out) };
}

/** Numbers with three digits that count. */
function summary(row) {
  const entries = Object.entries(row).filter(([, value]) => typeof value === "number");
  return entries.map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`).join("  ");
}
