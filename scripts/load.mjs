// `npm run load -- connections|slow|deliver|append|streams|redis|soak …`: what a server and a page bear. Each command runs on this machine alone, says
// how far it is, stops by itself, and ends with a report.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeMachine } from "../benches/browser/lib/machine.mjs";
import { toMarkdown } from "../tests/load/redis/report.mjs";
import { buildPackage, buildServer, ensureBuildTools } from "./build.mjs";
import { insertMarked } from "./lib/marked.mjs";
import { root, target } from "./lib/paths.mjs";
import { run } from "./lib/run.mjs";
import { onStop } from "./lib/signals.mjs";
import { Failure, main, say } from "./lib/step.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { ensureRedis } from "./setup/redis.mjs";

const commands = {
  /** Many connections at a time and the memory of each: `--connections 10000`, `--subscriptions 0,1,5`, `--heartbeat 25`. */
  connections: (args) => native("connections", args),
  /** One consumer that does not read among many: `--consumers 1000`, `--rate 2`, `--seconds 15`, `--rounds 3`. */
  slow: (args) => native("slow", args),
  /**
   * Events delivered a second, and the server's processor time of each: `--connections 1,10,100,1000,10000`,
   * `--work live,backlog`, `--streams one,each`, `--seconds 5`, `--rounds 1`, `--pin` (server and client on a core each).
   */
  deliver: (args) => native("deliver", args),
  /** Events made durable a second: `--producers 1,10,100,500`, `--batch 1,100`, `--seconds 5`, `--rounds 1`, `--pin`. */
  append: (args) => native("append", args),
  /** What an event costs as the log grows in streams: `--streams 1,1000,100000,1000000`, `--seconds 5`, `--pin`. */
  streams: (args) => native("streams", args),
  /**
   * Several servers on one Redis: `--servers 1,2,3`, `--streams 1,100,10000,100000`, `--batch 1,100`, `--seconds 5`,
   * `--rate 100`, `--held 5000`, `--fsync always|everysec`. Without options it takes some minutes, and writes its tables into
   * docs/benchmarks.md.
   */
  redis,
  /** The server's memory and a page's over an hour: `--minutes 60`, `--rate 80` events a second, `--report FILE`. */
  soak,
};

await main(async () => {
  const [name, ...args] = process.argv.slice(2);
  if (!commands[name]) throw new Failure(`Use: npm run load -- ${Object.keys(commands).join("|")} [options]`);
  await ensureBuildTools();
  await commands[name](args);
});

/** A command of the native client. */
async function native(name, args) {
  const ACKWIRE_SERVER = await buildServer({ release: true });
  const client = ["run", "--release", "--quiet", "--package", "ackwire-load", "--", name, ...args];
  await run("cargo", client, { env: { ACKWIRE_SERVER } });
}

async function redis(args) {
  await ensureRedis();
  await native("redis", args);
  if (args.length > 0) return;
  const report = JSON.parse(await readFile(join(target, "load/redis.json"), "utf8"));
  report.latency.page = await latencyOfPage(report.latency.events_per_second);
  const [page, tables] = [join(root, "docs/benchmarks.md"), toMarkdown(report, await describeMachine())];
  const before = await readFile(page, "utf8");
  await writeFile(page, insertMarked(before, "Redis benchmark", "npm run load -- redis", tables));
  say(`The tables are in ${page}`);
}

/** The same in a real browser, which takes a moment longer than a native client. */
async function latencyOfPage(rate) {
  process.env.CHROME_PATH = await ensureChromium();
  process.env.ACKWIRE_SERVER = await buildServer({ release: true });
  await buildPackage();
  const { measureLatency } = await import("../tests/load/redis/latency.mjs");
  const { Scope } = await import("../tests/browser/chaos/scope.mjs");
  const scope = new Scope();
  onStop(() => scope.close());
  try {
    say("A producer at one server, a page at another one");
    return await measureLatency(scope, { rate, seconds: 20 });
  } finally {
    await scope.close();
  }
}

async function soak(args) {
  const CHROME_PATH = await ensureChromium();
  await buildPackage();
  const ACKWIRE_SERVER = await buildServer({ release: true });
  const env = { CHROME_PATH, ACKWIRE_SERVER };
  await run(process.execPath, ["tests/load/soak/soak.mjs", ...args], { env });
}
