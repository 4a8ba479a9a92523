// An hour at a steady rate: a real server, a real page, runs that come and go. Once a minute the memory of both ends is
// sampled, the page's after a garbage collection; the report says whether it grows. Started by `npm run load -- soak`.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { onStop } from "../../../scripts/lib/signals.mjs";
import { Failure, main, say } from "../../../scripts/lib/step.mjs";
import { startServer, startSite } from "../../browser/harness/index.mjs";
import { openPage } from "./devtools.mjs";
import { MIN_SAMPLES, megabytes, RUNS, SERIES, Soak, WARM_UP_MINUTES } from "./work.mjs";

/** The log stays bounded as well: a run's events go after ten minutes, and its consumer. */
const SERVER_ARGS = ["--dev", "--retain-events", "2000", "--retain-age", "10m", "--retain-consumers", "10m"];

/**
 * Those that must be flat. A resident set has pages of the program in it, and what is done with freed memory; a write-ahead
 * log keeps the length that it had at most, which comes of how long a checkpoint had to wait for a reader.
 */
const JUDGED = [process.platform === "linux" ? "allocated" : "server", "heap", "wasm", "disk"];

/** What SQLite cuts its write-ahead log to (`journal_size_limit`): it may be longer for a moment, and is not so for an hour. */
const MAX_WAL_BYTES = 64 * 2 ** 20;

const scope = { stack: [], after: (end) => scope.stack.push(end), diagnostic: say };
const finish = async () => {
  while (scope.stack.length > 0) await scope.stack.pop()();
};
onStop(finish);

await main(async () => {
  const { minutes, rate, report } = options();
  try {
    const soak = new Soak(await stage(), rate);
    scope.after(() => soak.stop());
    say(`${WARM_UP_MINUTES} minutes to warm up, then ${rate} events/s in ${RUNS} runs for ${minutes}; a line a minute`);
    await soak.work(minutes);
    const summary = soak.summary(minutes);
    await mkdir(dirname(report), { recursive: true });
    await writeFile(report, `${JSON.stringify(summary, null, 2)}\n`);
    return tell(summary, report);
  } finally {
    await finish();
  }
});

function options() {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      rate: { type: "string", default: "80" },
      report: { type: "string", default: "target/load/soak.json" },
    },
  });
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
  if (!(minutes >= 1 && minutes <= 24 * 60)) throw new Failure("--minutes is from 1 to 1440.");
  if (!(rate >= RUNS && rate <= 10_000)) throw new Failure(`--rate, in events a second, is from ${RUNS} to 10000.`);
  return { minutes, rate, report: values.report };
}

/** A server, and a page that is connected to it. */
async function stage() {
  // Without huge pages memory is counted as it is touched, not in steps of 2 MB.
  const env = { RUST_LOG: "warn", MIMALLOC_ALLOW_THP: "0" };
  const server = await startServer(scope, { args: SERVER_ARGS, env });
  const here = (path) => new URL(path, import.meta.url);
  const folders = { "/pkg/": here("../../../dist/"), "/site/": here("../../browser/site/"), "/": here("page/") };
  const site = await startSite(scope, { folders });
  const config = encodeURIComponent(JSON.stringify({ socket: server.socketUrl }));
  const page = await openPage(scope, `${site}/#${config}`, "Boolean(window.soak)");
  return { server, page };
}

/** Says what came of it; the exit code. */
function tell(summary, report) {
  const { page, produced, growth, samples } = summary;
  const { applied, disordered, lost, failed, errors, reconnects } = page;
  say(`${produced} events in, ${applied} applied; ${lost} lost, ${disordered} out of order, ${failed} failed`);
  say(`${errors} errors, ${reconnects} reconnects, ${summary.runs} runs`);
  const wrong = [];
  if (applied !== produced || disordered + lost + failed + errors > 0)
    wrong.push("not every event came once, in order");
  for (const [name, { first, last, perHour, errorPerHour, flat }] of Object.entries(growth ?? {})) {
    const slope = `${(perHour / 1024).toFixed(1)} ± ${(errorPerHour / 1024).toFixed(1)} KB an hour`;
    say(`${SERIES[name]}: ${megabytes(first)} → ${megabytes(last)} MB, ${slope}, ${flat ? "flat" : "growing"}`);
    if (!flat && JUDGED.includes(name)) wrong.push(`the ${SERIES[name]} grows`);
  }
  if (samples.at(-1).wal > MAX_WAL_BYTES) wrong.push(`the ${SERIES.wal} is beyond ${megabytes(MAX_WAL_BYTES)} MB`);
  if (!growth) say(`Too short to judge growth: it takes ${MIN_SAMPLES} minutes`);
  say(`Report: ${report}`);
  if (wrong.length > 0) throw new Failure(`${wrong.join("; ")}.`);
  return 0;
}
