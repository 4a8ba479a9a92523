// Everything at once: real pages and a real server, and between them all the trouble that the seed asks for.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../../../scripts/setup/chromium.mjs";
import { generator, startProxy, startRedis, startSite, until } from "../harness/index.mjs";
import { digest } from "../site/digest.js";
import { PRODUCERS, STREAMS, TABS } from "./cast.mjs";
import { makeClock } from "./clock.mjs";
import { Conductor } from "./conductor.mjs";
import { mountDisk } from "./disk.mjs";
import { Ledger } from "./ledger.mjs";
import { measure } from "./memory.mjs";
import { Outages } from "./outage.mjs";
import { plan } from "./plan.mjs";
import { Producer } from "./producer.mjs";
import { Servers } from "./servers.mjs";
import { Tab } from "./tab.mjs";

/** How often the pages' journals are taken: the outages are as exact as that. */
const LOOK_MS = 250;
/** How long everything may take to settle once the troubles are over, all of it together: a test's time allows for that. */
const SETTLE_MS = 90_000;
/** How many events a second each producer appends, about. */
const RATE = 15;

/**
 * Runs `minutes` of trouble with exactly so many `cuts` and `kills`, all from one `seed`, then waits until all is
 * settled and compares. Several `servers` share a Redis. Resolves to the report. What is started ends with `scope` (`after(undo)`). `onProgress(state)`
 * is called every few seconds.
 */
export async function runChaos(
  scope,
  { seed, minutes, cuts, kills, servers: count = 1, onProgress = () => {}, signal },
) {
  const ms = minutes * 60_000;
  const run = await setUp(scope, seed, count);
  const { world, ledger, conductor, tabs, producers, servers } = run;
  const begun = performance.now();
  const producing = producers.map((producer) => producer.run());
  const looking = everyNow(LOOK_MS, () => look(run).catch((error) => ledger.violate("page", error.stack)));
  // Not waited for: a page that hangs is looked at until its browser closes, which comes after this.
  scope.after(() => void looking.stop());
  const atStart = await measure(servers, tabs);

  const cast = { tabs: tabs.length, producers: producers.length, servers: count };
  const left = leaveOut(plan({ seed, ms, cuts, kills, ...cast }), world);
  const limit = AbortSignal.timeout(ms * 1.5 + 30_000);
  const telling = setInterval(() => onProgress(progress(run, begun, ms)), 5_000);
  scope.after(() => clearInterval(telling));
  await conductor.play(left.troubles, signal ? AbortSignal.any([signal, limit]) : limit);
  const troubledMs = performance.now() - begun;

  await calmDown(world);
  const deadline = performance.now() + SETTLE_MS;
  for (const producer of producers) producer.stop();
  await within(run, "every producer is answered", Promise.all(producing), deadline);
  await Promise.all(tabs.map((tab) => within(run, `every publish of ${tab.name} is answered`, tab.hush(), deadline)));
  await settle(run, deadline);
  await looking.stop();
  await compare(run).catch((error) =>
    ledger.violate("compare", `${error.message} (${error.cause?.message ?? error.name})`),
  );
  for (const [kind, asked] of Object.entries({ cut: cuts, kill: kills })) {
    const made = conductor.counts[kind]?.made ?? 0;
    if (made !== asked) ledger.violate("trouble", `${made} of ${asked} of the kind "${kind}" were made`);
  }
  const atEnd = await measure(servers, tabs);
  const memory = { start: atStart, end: atEnd, serverPeak: servers.peakBytes };
  return { seed, troubledMs, ms: performance.now() - begun, memory, leftOut: left.why, ...results(run) };
}

async function setUp(scope, seed, count) {
  const place = count > 1 ? await sharedPlace(scope) : ownPlace(scope);
  const { folder, env, redis, disk, clock, missing } = place;
  const servers = new Servers(folder, env, { count, log: redis?.url });
  scope.after(() => servers.stop());
  await servers.start();
  const site = await startSite(scope);
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: chromiumArgs,
    // Who started this ends it.
    ...{ handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false },
  });
  scope.after(() => browser.close());

  const ledger = new Ledger();
  const lanes = [];
  for (const _ of [...TABS, ...PRODUCERS]) lanes.push(await startProxy(scope, servers.server));
  const tabs = TABS.map((role) => new Tab(role, ledger));
  for (const [index, tab] of tabs.entries()) await tab.open(browser, site, lanes[index].socketUrl);
  const producers = PRODUCERS.map((stream, index) => {
    const { url } = lanes[tabs.length + index];
    return new Producer({ name: `p${index}`, stream, url, seed: seed + index + 1, rate: RATE }, ledger);
  });
  const random = generator(seed + 1_000);
  const world = { servers, redis, disk, clock, lanes, tabs, random, pause, missing };
  const conductor = new Conductor(world, () => performance.now());
  return { world, ledger, conductor, outages: new Outages(), tabs, producers, servers, awaits: new Set() };
}

/** Where one server has its file. */
function ownPlace(scope) {
  const { folder, disk, why: noDisk } = mountDisk(scope);
  const { env, clock, why: noClock } = makeClock(scope);
  const onlyPages = noClock && `${noClock}; the pages' clocks jumped all the same`;
  const missing = { "full disk": noDisk, clock: onlyPages };
  return { folder, env, disk, clock, missing };
}

/** Where several servers meet. */
async function sharedPlace(scope) {
  const redis = await startRedis(scope);
  const folder = mkdtempSync(join(tmpdir(), "ackwire-chaos-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  const missing = {
    "full disk": "servers on a Redis have none",
    clock: "servers on a Redis must have theirs right; the pages' clocks jumped all the same",
  };
  return { folder, env: {}, redis, missing };
}

/** The troubles that can be made here, and why not the others. */
function leaveOut(troubles, { disk, redis, missing }) {
  const isLeftOut = ({ kind }) => (kind === "full disk" && !disk) || (kind.startsWith("Redis") && !redis);
  const why = Object.entries(missing).filter(([, why]) => why !== undefined);
  return {
    troubles: troubles.filter((trouble) => !isLeftOut(trouble)),
    why: why.map(([kind, why]) => `${kind}: ${why}`),
  };
}

/** Takes the journals, and looks how long who has been waiting, and what the server counts as settled. */
async function look({ tabs, ledger, outages, servers }) {
  // A server that hangs must not keep anyone from looking at the pages.
  const views = await Promise.race([confirmedBy(servers).catch(() => []), pause(LOOK_MS).then(() => [])]);
  await Promise.all(tabs.map((tab) => tab.pull()));
  servers.look();
  for (const tab of tabs) {
    for (const view of tab.views) {
      outages.look(performance.now(), view, ledger.head(view.stream));
      const seen = views.find(({ stream, consumer }) => stream === view.stream && consumer === tab.consumer);
      if (seen) view.confirmed(seen.confirmed);
    }
  }
}

/** What every consumer of every stream has confirmed. */
async function confirmedBy({ server }) {
  const all = await Promise.all(
    STREAMS.map(async (stream) => (await server.consumers(stream)).map((view) => ({ ...view, stream }))),
  );
  return all.flat();
}

async function calmDown({ lanes, disk }) {
  await disk?.free();
  for (const lane of lanes) {
    lane.recover();
    lane.resume();
    lane.throttle(Number.POSITIVE_INFINITY);
    lane.splitInto(Number.POSITIVE_INFINITY);
    lane.filterFrames(undefined);
  }
}

/** Waits until every consumer has settled every stream that it has; says who has not. */
async function settle(run, deadline) {
  const { tabs, servers, ledger } = run;
  const unsettled = async () => {
    const views = await confirmedBy(servers);
    const heads = new Map(
      await Promise.all(STREAMS.map(async (stream) => [stream, await servers.server.head(stream)])),
    );
    return tabs.flatMap((tab) =>
      tab.views.flatMap(({ stream }) => {
        const seen = views.find((view) => view.stream === stream && view.consumer === tab.consumer);
        const done = seen && seen.confirmed === heads.get(stream) && seen.unsettled === 0;
        return done ? [] : [`${tab.name}, ${stream}: ${JSON.stringify(seen ?? "unknown")}, head ${heads.get(stream)}`];
      }),
    );
  };
  try {
    const isSettled = async () => {
      const those = await unsettled();
      run.awaits = new Set(those);
      return those.length === 0;
    };
    await until("everything is settled", isSettled, remaining(deadline));
  } catch (error) {
    ledger.violate("settled", error.message);
    for (const who of await unsettled().catch(() => [])) ledger.violate("settled", who);
  }
}

/** Compares the log with what was sent and applied, and the dead letters with what the pages were told. */
async function compare(run) {
  const { tabs, servers, ledger } = run;
  await look(run);
  for (const stream of STREAMS) ledger.close(stream, await servers.server.log(stream), digest);
  for (const tab of tabs) {
    for (const view of tab.views) {
      const path = `/v1/streams/${encodeURIComponent(view.stream)}/dead-letters?consumer=${tab.consumer}&limit=1000`;
      const letters = new Set((await servers.server.get(path)).events.map(({ seq }) => seq));
      const differ = [...letters].filter((seq) => !view.dead.has(seq));
      for (const seq of differ)
        ledger.violate("dead letter", `${tab.name}, ${view.stream}: ${seq} was not said to be lost`);
    }
  }
}

async function within(run, what, promise, deadline) {
  run.awaits.add(what);
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve("late"), remaining(deadline));
  });
  if ((await Promise.race([promise, late])) === "late") run.ledger.violate("settled", `not in time: ${what}`);
  else run.awaits.delete(what);
  clearTimeout(timer);
}

const remaining = (deadline) => Math.max(0, deadline - performance.now());

function progress({ ledger, conductor, servers, awaits }, begun, ms) {
  const applied = ledger.views.reduce((sum, view) => sum + view.applied, 0);
  const made = (kind) => conductor.counts[kind]?.made ?? 0;
  return {
    seconds: (performance.now() - begun) / 1000,
    of: ms / 1000,
    in: ledger.in,
    applied,
    cuts: made("cut"),
    kills: made("kill"),
    awaits: [...awaits],
    active: [...(servers.isUp ? [] : [servers.count > 1 ? "all servers down" : "server down"]), ...conductor.active],
    violations: Object.values(ledger.broken).reduce((sum, count) => sum + count, 0),
  };
}

function results({ ledger, conductor, outages, tabs, producers, servers }) {
  const over = (list, value) => list.reduce((sum, item) => sum + value(item), 0);
  const counted = (name) => over(tabs, (tab) => tab.counted[name]);
  const { longest } = outages;
  return {
    tabs: tabs.length,
    streams: STREAMS.length,
    producers: producers.length,
    servers: servers.count,
    in: ledger.in,
    requests: over(producers, ({ requests }) => requests),
    repeats: over(producers, ({ repeats }) => repeats),
    applied: over(ledger.views, (view) => view.applied),
    deadLetters: over(ledger.views, (view) => view.dead.size),
    lost: over(ledger.views, (view) => view.lost) + (ledger.broken.missing ?? 0),
    repeated: ledger.broken.repeated ?? 0,
    appliedAgain: over(ledger.views, (view) => view.again),
    failures: over(ledger.views, (view) => view.failed),
    connections: over(tabs, (tab) => tab.connections),
    resends: counted("resends"),
    gaps: counted("gaps"),
    repaired: counted("repaired"),
    duplicates: counted("duplicates"),
    longestOutage: longest.tab ? explain(longest, tabs, conductor) : longest,
    troubles: conductor.counts,
    broken: ledger.broken,
    violations: ledger.violations,
  };
}

/** What there was meanwhile: the troubles that were that page's or everyone's, and how its connection fared. */
function explain(outage, tabs, conductor) {
  const { tab: name, from, upto } = outage;
  const lane = tabs.findIndex((tab) => tab.name === name);
  const states = tabs[lane].states.filter(({ at }) => at >= from && at <= upto);
  const after = (at) => `${((at - from) / 1000).toFixed(1)} s`;
  return {
    ...outage,
    during: conductor.during(from, upto, lane).map(({ kind, from }) => `${kind} (${after(from)})`),
    states: states.map(({ at, text }) => `${text} (${after(at)})`),
  };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Does it again and again, with a pause between; `stop()` resolves when the last is done. */
function everyNow(ms, work) {
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      await work();
      await pause(ms);
    }
  })();
  return {
    stop: () => {
      stopped = true;
      return loop;
    },
  };
}
