// A rolling restart: servers on a Redis are replaced one after the other while many clients of a real browser are
// connected through a round-robin proxy and a producer goes on. What each client applied is compared with the log, and for
// how long each was without a connection is noted.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../../../scripts/setup/chromium.mjs";
import { Servers } from "../chaos/servers.mjs";
import { startProxy, startRedis, startSite, until } from "../harness/index.mjs";
import { recordPage } from "../harness/record.mjs";

const STREAM = "run:1";
/** How often an event is appended. */
const EVERY_MS = 50;
/** How long anything may take besides what is measured. */
const PATIENCE_MS = 60_000;

/**
 * Replaces each of `servers`, which give their clients `drainMs`. `isKnown`: the proxy sends nobody to a server that
 * drains, as a balancer does that asks for its health; otherwise it knows nothing of that. Resolves to the report.
 */
export async function runRolling(scope, { servers: count = 3, clients, drainMs, isKnown, onProgress = () => {} }) {
  const redis = await startRedis(scope);
  const folder = mkdtempSync(join(tmpdir(), "ackwire-rolling-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ACKWIRE_DRAIN: `${drainMs}ms` };
  const servers = new Servers(folder, env, { count, log: redis.url });
  scope.after(() => servers.stop());
  await servers.start();
  const proxy = await startProxy(scope, servers.server);
  const page = await openPage(scope, { socket: proxy.socketUrl, stream: STREAM, clients });
  const producing = produce(servers.server);
  for (let index = 0; index < count; index++) {
    await servers.replace(index, "SIGTERM", 0, { isKnown });
    await untilConnected(page);
    onProgress(`${index + 1} of ${count} servers replaced`);
  }
  const appended = await producing.stop();
  const log = (await servers.server.log(STREAM)).map(({ seq }) => seq);
  await until(
    "every client has everything",
    () => page.evaluate((all) => fixture.least() >= all, log.length),
    PATIENCE_MS,
  );
  const head = log.at(-1);
  const confirmed = async () => {
    const views = await servers.server.consumers(STREAM);
    return views.length === clients && views.every((view) => view.confirmed === head && view.unsettled === 0);
  };
  await until("every client has confirmed everything", confirmed, PATIENCE_MS);
  const journals = await page.evaluate(() => fixture.journals());
  const violations = [
    ...(await page.evaluate(() => fixture.troubles())),
    ...journals.filter(({ applied }) => !same(applied, log)).map(({ consumer }) => `${consumer}: log and page differ`),
    ...appended.filter((seq) => !log.includes(seq)).map((seq) => `${seq} was answered and is not in the log`),
  ];
  return { clients, servers: count, drainMs, isKnown, events: log.length, ...measured(journals, drainMs), violations };
}

async function openPage(scope, config) {
  const site = await startSite(scope);
  const browser = await chromium.launch({ executablePath: findChromium(), args: chromiumArgs });
  scope.after(() => browser.close());
  const page = await browser.newPage();
  recordPage(page);
  await page.goto(`${site}/crowd.html#${encodeURIComponent(JSON.stringify(config))}`);
  const all = (count) => window.fixture?.connected() === count;
  await page.waitForFunction(all, config.clients, { timeout: PATIENCE_MS });
  return page;
}

async function untilConnected(page) {
  try {
    await until("every client is connected", () => page.evaluate(() => fixture.others().length === 0), PATIENCE_MS);
  } catch (error) {
    throw new Error(`${error.message}: ${await page.evaluate(() => fixture.others().join("; "))}`);
  }
}

/** One event after another, again under the same id until it is answered; `stop()` resolves to the seqs. */
function produce(server) {
  const seqs = [];
  let stopped = false;
  const running = (async () => {
    for (let number = 1; !stopped; number++) {
      const answer = await server.postUntilAnswered(STREAM, { id: `e-${number}`, type: "x", data: number });
      seqs.push(answer.events[0].seq);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await running;
      return seqs;
    },
  };
}

const same = (one, other) => one.length === other.length && one.every((value, index) => value === other[index]);

/** How long clients waited, and how many came back in each tenth of the time that they had. */
function measured(journals, drainMs) {
  const returns = journals.flatMap(({ returns }) => returns);
  const longest = returns.reduce((one, other) => (other.waited > one.waited ? other : one), { waited: 0 });
  const waited = returns.map(({ waited }) => waited).sort((one, other) => one - other);
  const quantile = (share) => waited[Math.max(0, Math.ceil(share * waited.length) - 1)];
  const slots = new Map();
  for (const { at } of returns) {
    const slot = Math.floor(at / (drainMs / 10));
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
  }
  return {
    returns: returns.length,
    waitedMs: { p50: quantile(0.5), p99: quantile(0.99), max: longest.waited },
    longest: longest.states?.join(", "),
    mostInATenth: Math.max(0, ...slots.values()),
  };
}

/** The report, for people. */
export function rollingText({
  clients,
  servers,
  drainMs,
  isKnown,
  events,
  returns,
  waitedMs,
  longest,
  mostInATenth,
  violations,
}) {
  const ms = (value) => `${value?.toFixed(0)} ms`;
  const perServer = returns / servers;
  return [
    `${servers} servers replaced, ${clients} clients, ${drainMs / 1_000} s to go elsewhere, a balancer that ` +
      `${isKnown ? "sends nobody to a server that drains" : "does not know who drains"}; ${events} events`,
    `  ${returns} times a client was without a connection: for ${ms(waitedMs.p50)} (median), ${ms(waitedMs.p99)} (99 %), ` +
      `${ms(waitedMs.max)} (longest: ${longest})`,
    `  at most ${mostInATenth} came back within ${drainMs / 10} ms; all at once would be some ${perServer.toFixed(0)}, evenly ` +
      `${(perServer / 10).toFixed(0)}`,
    violations.length === 0 ? "  No violation." : violations.map((what) => `  ✗ ${what}`).join("\n"),
  ].join("\n");
}
