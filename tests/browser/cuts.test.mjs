// The connection breaks, again and again, in the middle of a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, seeded, startProxy, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const EVENTS = 2_000;
const CUTS = 20;

for (const handler of ["sync", "async"]) {
  test(`${CUTS} cuts during a run of ${EVENTS} events, ${handler} handlers [AW-PROMISE]`, async (t) => {
    const random = seeded(t);
    const [server, site] = [await startServer(t), await startSite(t)];
    const proxy = await startProxy(t, server);
    const stream = `cuts:${handler}`;
    const page = await open(t, site, { socket: proxy.socketUrl, stream, handler, run: { window: { events: 64 } } });
    await page.untilConnected();

    const part = EVENTS / CUTS;
    for (let done = 0; done < EVENTS; done += part) {
      const producing = produce(server, stream, { from: done + 1, upto: done + part });
      await page.untilApplied(done + 1 + random.below(part - 1));
      assert.equal(proxy.cut(), 1, "there was a connection to cut");
      await producing;
    }

    await verdict(server, stream, page);
    assert.ok(proxy.connections > CUTS, "each cut led to a new connection");
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
