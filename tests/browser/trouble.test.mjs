// Frames get lost, come twice, come in another order. TCP does not do that; proxies that reconnect on their own do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, seeded, startProxy, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const EVENTS = 1_000;

test("frames that a proxy drops, doubles and swaps are repaired [AW-RECV-2] [AW-RECV-3] [AW-SEND-7]", async (t) => {
  const random = seeded();
  const [server, site] = [await startServer(t), await startSite(t)];
  const proxy = await startProxy(t, server);
  const done = { dropped: 0, doubled: 0, swapped: 0 };
  let held;
  proxy.filterFrames((text) => {
    if (JSON.parse(text).type !== "events") return [text];
    const released = held ? [held] : [];
    held = undefined;
    const roll = random.next();
    if (roll < 0.15) {
      done.dropped += 1;
      return released;
    }
    if (roll < 0.3) {
      done.doubled += 1;
      return [text, ...released, text];
    }
    if (roll < 0.45 && released.length === 0) {
      done.swapped += 1;
      held = text;
      return [];
    }
    return [text, ...released];
  });
  const page = await open(t, site, {
    socket: proxy.socketUrl,
    stream: "run:1",
    handler: "async",
    run: { window: { events: 64 } },
  });
  await produce(server, "run:1", { from: 1, upto: EVENTS });

  await verdict(server, "run:1", page);
  t.diagnostic(JSON.stringify(done));
  assert.ok(done.dropped > 0 && done.doubled > 0 && done.swapped > 0, "there was trouble");
  const [stats] = await page.run(() => fixture.client.stats().subscriptions);
  assert.ok(stats.gaps > 0 && stats.repaired > 0 && stats.duplicates > 0, JSON.stringify(stats));
});

test("the server's own trouble, as the demo makes it, is repaired too", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const config = {
    socket: server.socketUrl,
    stream: "run:2",
    client: { consumer: "troubled" },
    run: { window: { events: 64 } },
  };
  const page = await open(t, site, config);
  const odds = { consumer: "troubled", drop: 0.2, duplicate: 0.2, reorder: 0.2 };
  const { status, body } = await server.request("POST", "/v1/dev/trouble", { body: JSON.stringify(odds) });
  assert.equal(status, 200, JSON.stringify(body));
  await produce(server, "run:2", { from: 1, upto: EVENTS });

  await verdict(server, "run:2", page);
  const [stats] = await page.run(() => fixture.client.stats().subscriptions);
  assert.ok(stats.gaps > 0 && stats.duplicates > 0, JSON.stringify(stats));
});
