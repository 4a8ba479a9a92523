// The page's socket, timer and events, and calls from anywhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSite, useBrowser } from "./harness/index.mjs";

const open = useBrowser();

/** A page with a client that has not connected yet: `window.client`, and the reasons of its states in `window.states`. */
async function begin(t, url, options = {}) {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "other" });
  await page.run(
    ({ url, options }) => {
      window.states = [];
      const token = options.failing && (() => Promise.reject(new Error("the sign-in is over")));
      window.client = new fixture.Ackwire(url, { backoff: options.backoff, ...(token && { token }) });
      client.on("error", () => {});
      client.on("state", ({ current, reason, detail }) => {
        states.push(`${current} ${reason}`);
        window.detail = detail;
      });
      client.connect().catch(() => {});
    },
    { url, options },
  );
  const until = (state) => page.until(state, (state) => states.includes(state), state);
  return { page, until };
}

/** Nothing listens here: the browser refuses the connection, as it does when a server is down. */
const REFUSED = "ws://127.0.0.1:9/v1/socket";
/** With a wait of up to an hour, a quick retry by chance is one in a million. */
const HOUR = { baseMs: 3_600_000, maxMs: 3_600_000 };

test("a refused connection is tried again by the timer [AW-RETRY]", async (t) => {
  const { until } = await begin(t, REFUSED, { backoff: { baseMs: 1, maxMs: 1 } });
  for (const state of ["connecting application", "waiting socket_closed", "connecting retry"]) await until(state);
});

test("an address that the browser refuses is a closed socket", async (t) => {
  const { page, until } = await begin(t, "ws://127.0.0.1:9/v1/socket?a", { backoff: HOUR });
  await until("waiting socket_closed");
  await page.run(() => {
    const { WebSocket } = window;
    window.WebSocket = class {
      constructor() {
        window.WebSocket = WebSocket;
        throw new DOMException("not from this page", "SecurityError");
      }
    };
    states.length = 0;
    return client.connect().catch(() => {}) && undefined;
  });
  await until("waiting socket_closed");
  assert.match(await page.run(() => window.detail), /not from this page/, "the browser's own words");
});

test("`online` connects at once, and a closed client hears of nothing [AW-HEART-3]", async (t) => {
  const { page, until } = await begin(t, REFUSED, { backoff: HOUR });
  await until("waiting socket_closed");
  await page.run(() => window.dispatchEvent(new Event("online")));
  await until("connecting wake");
  const heard = await page.run(async () => {
    await client.close();
    states.length = 0;
    window.dispatchEvent(new Event("online"));
    return states;
  });
  assert.deepEqual(heard, []);
});

test("a token is asked for before the socket opens [AW-AUTH-1]", async (t) => {
  const { page, until } = await begin(t, REFUSED, { backoff: HOUR, failing: true });
  await until("waiting token_failed");
  assert.match(await page.run(() => window.detail), /the sign-in is over/);
  assert.deepEqual(await page.run(() => states), ["connecting application", "waiting token_failed"]);
});

test("names that are not needed any more are forgotten, and those that are stay [AW-STREAM]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "kept" });
  await page.untilConnected();
  await page.run(async () => {
    for (let turn = 0; turn < 500; turn++) {
      const run = fixture.client.subscribe(`passing:${turn}`);
      run.handle("*", () => {});
      await Promise.resolve();
      run.unsubscribe();
    }
  });
  await server.post("kept", [{ id: "a", type: "t", data: 1 }]);
  await page.untilApplied(1);
  assert.equal(await page.run(() => fixture.run.position.epoch !== null), true);
  assert.deepEqual(await page.run(() => fixture.client.stats().subscriptions.map(({ stream }) => stream)), ["kept"]);
});
