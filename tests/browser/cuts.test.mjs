// The connection breaks, again and again, in the middle of a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, seeded, startProxy, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const EVENTS = 2_000;
const CUTS = 20;

for (const handler of ["sync", "async"]) {
  test(`${CUTS} cuts during a run of ${EVENTS} events, ${handler} handlers [AW-PROMISE]`, async (t) => {
    const random = seeded();
    const [server, site] = [await startServer(t), await startSite(t)];
    const proxy = await startProxy(t, server);
    const stream = `cuts:${handler}`;

    // Each cut comes as a certain event is on its way: some take the frame with them, some only what answers it.
    const part = Math.floor(EVENTS / (CUTS + 1));
    const targets = Array.from({ length: CUTS }, (_, index) => (index + 1) * part + random.below(part / 3));
    proxy.filterFrames((text) => {
      const { type, upto } = JSON.parse(text);
      if (type !== "events" || !(upto >= targets[0])) return [text];
      targets.shift();
      if (random.chance(0.5)) {
        proxy.cut();
        return [];
      }
      setImmediate(() => proxy.cut());
      return [text];
    });
    const page = await open(t, site, { socket: proxy.socketUrl, stream, handler, run: { window: { events: 32 } } });
    await produce(server, stream, { from: 1, upto: EVENTS });

    await verdict(server, stream, page);
    assert.deepEqual(targets, [], "each cut was made");
    assert.ok(proxy.connections > CUTS, `${proxy.connections} connections`);
  });
}

test("a network that delivers a few bytes at a time changes nothing", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const proxy = await startProxy(t, server);
  proxy.splitInto(7);
  const page = await open(t, site, { socket: proxy.socketUrl, stream: "split" });
  await produce(server, "split", { from: 1, upto: 200 });
  await verdict(server, "split", page);
});
