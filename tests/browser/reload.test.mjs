// The page is reloaded in the middle of a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, seeded, startProxy, startServer, startSite, until, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const EVENTS = 1_000;

test("a page that commits the position with its state applies each event exactly once [AW-PROMISE]", async (t) => {
  const random = seeded();
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "async", commits: true });
  await page.untilConnected();

  // The last part comes after the last reload, so that each one is in the middle of the run.
  const part = EVENTS / 4;
  for (let done = 0; done < EVENTS; done += part) {
    const producing = produce(server, "run:1", { from: done + 1, upto: done + part });
    if (done + part < EVENTS) {
      await page.untilApplied(done + 1 + random.below(part));
      await page.reload();
    }
    await producing;
  }
  await verdict(server, "run:1", page);
});

test("the same consumer resumes after a reload: nothing confirmed comes again, nothing is missing", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:2" });
  const producing = produce(server, "run:2", { from: 1, upto: EVENTS });
  await page.untilApplied(EVENTS / 4);
  const before = await page
    .run(() => {
      addEventListener("pagehide", () => sessionStorage.setItem("before", JSON.stringify(fixture.applied)));
    })
    .then(() => page.reload())
    .then(() => page.run(() => JSON.parse(sessionStorage.getItem("before"))));
  await producing;

  const head = await server.head("run:2");
  await until("everything is confirmed by one consumer", async () => {
    const views = await server.consumers("run:2");
    return views.length === 1 && views[0].confirmed === head && views[0].unsettled === 0;
  });
  const after = await page.applied();
  const log = await server.log("run:2");
  assert.deepEqual(
    [...before, ...after].map(({ id }) => id),
    log.map(({ id }) => id),
    "both page lives together applied the log: a synchronous handler's events are confirmed as they are applied",
  );
});

for (const consumer of ["tab", "device", "reader"]) {
  test(`what the page before a reload had under way to the server does not replace "${consumer}" [AW-CONN-5]`, async (t) => {
    const [server, site] = [await startServer(t), await startSite(t)];
    const proxy = await startProxy(t, server);
    proxy.holdNext();
    const page = await open(t, site, { socket: proxy.socketUrl, stream: "run:3", client: { consumer } });
    await until("its hello is under way", () => proxy.holding === 1);
    await page.reload();
    await page.untilConnected();

    proxy.resume();
    await until("the late hello has met its end", () => proxy.links === 1);
    await produce(server, "run:3", { from: 1, upto: 20 });
    await verdict(server, "run:3", page);
    const replaced = await page.run(() => fixture.seen("state").filter(({ code }) => code === 4409));
    assert.deepEqual(replaced, []);
  });
}
