// How long an event is on its way from a producer to the handler of a real browser's page, which is at another server.
import { setTimeout as elapse } from "node:timers/promises";
import { now } from "../../../benches/browser/lib/clock.mjs";
import { quantile } from "../../../benches/browser/lib/statistics.mjs";
import { startRedis, startServer, startSite, until } from "../../browser/harness/index.mjs";
import { openPage } from "../soak/devtools.mjs";

const STREAM = "run:1";
/** Before these events the browser finishes its start, and the page's code warms up: some seconds. */
const WARM_UP = 500;

/** `rate` in events a second, one append at a time. Resolves to milliseconds: `p50`, `p90`, `p99`, `max`. */
export async function measureLatency(scope, { rate, seconds }) {
  const redis = await startRedis(scope);
  const start = () => startServer(scope, { args: ["--dev", "--log", redis.url], env: { RUST_LOG: "warn" } });
  const [producers, pages] = [await start(), await start()];
  const here = (path) => new URL(path, import.meta.url);
  const site = await startSite(scope, { folders: { "/pkg/": here("../../../dist/"), "/": here("page/") } });
  const config = encodeURIComponent(JSON.stringify({ socket: pages.socketUrl, stream: STREAM }));
  const page = await openPage(scope, `${site}/#${config}`, "Boolean(window.latency)");
  const count = WARM_UP + rate * seconds;
  const begun = now();
  for (let number = 0; number < count; number++) {
    await elapse(Math.max(0, begun + (number * 1_000) / rate - now()));
    await producers.post(STREAM, [{ type: "x", data: { number, sent: now() } }]);
  }
  await until("the page has every event", async () => (await page.run("latency.taken.length")) === count);
  const taken = (await page.run("latency.taken")).slice(WARM_UP);
  return { p50: quantile(taken, 0.5), p90: quantile(taken, 0.9), p99: quantile(taken, 0.99), max: Math.max(...taken) };
}
