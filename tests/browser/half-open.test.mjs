// A laptop sleeps: the socket looks open on both ends and nothing comes through.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startProxy, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const HASTY = { probeTimeoutMs: 300, connectTimeoutMs: 1_000, backoff: { maxMs: 500 } };

test("a half-open socket is noticed by its silence, and the run goes on [AW-HEART-2]", async (t) => {
  const [server, site] = [await startServer(t, { args: ["--dev", "--heartbeat", "500ms"] }), await startSite(t)];
  const proxy = await startProxy(t, server);
  const page = await open(t, site, { socket: proxy.socketUrl, stream: "run:1", client: HASTY });
  await produce(server, "run:1", { from: 1, upto: 100 });
  await page.untilApplied(100);

  proxy.goDeaf();
  await produce(server, "run:1", { from: 101, upto: 200 });
  await page.until("the page noticed the silence", () =>
    fixture.seen("state").some(({ reason }) => reason === "silent"),
  );
  assert.equal((await page.applied()).length, 100);
  proxy.recover();

  await verdict(server, "run:1", page);
});

test("a page that is told it is online again probes at once, long before the heartbeat would [AW-HEART-3]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const proxy = await startProxy(t, server);
  const page = await open(t, site, { socket: proxy.socketUrl, stream: "run:1", client: HASTY });
  await produce(server, "run:1", { from: 1, upto: 100 });
  await page.untilApplied(100);

  proxy.goDeaf();
  await produce(server, "run:1", { from: 101, upto: 200 });
  proxy.recover();
  await page.run(() => void dispatchEvent(new Event("online")));

  await verdict(server, "run:1", page);
});
