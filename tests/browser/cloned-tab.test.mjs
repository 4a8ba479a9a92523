// A tab is duplicated: the browser copies its sessionStorage, and with it the name of the consumer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startServer, startSite, until, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

test("a cloned tab becomes a consumer of its own, and both get everything once [AW-CONSUMER]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", commits: true });
  const first = produce(server, "run:1", { from: 1, upto: 400 });
  await page.untilApplied(150);

  await page.run(() => sessionStorage.setItem("cloned", "yes"));
  const clone = await page.duplicate();
  assert.equal(await clone.run(() => sessionStorage.getItem("cloned")), "yes", "the browser copied the storage");
  await first;
  await produce(server, "run:1", { from: 401, upto: 800 });

  await verdict(server, "run:1", page, { consumers: 2 });
  await verdict(server, "run:1", clone, { consumers: 2 });
  const names = (await server.consumers("run:1")).map(({ consumer }) => consumer);
  assert.equal(new Set(names).size, 2);
  // Neither threw the other out [AW-CONN-5].
  for (const tab of [page, clone]) {
    assert.deepEqual(await tab.run(() => fixture.seen("state").filter(({ code }) => code === 4409)), []);
  }

  // Each stays who it is across a reload.
  await clone.reload();
  await page.reload();
  await produce(server, "run:1", { from: 801, upto: 820 });
  await verdict(server, "run:1", page, { consumers: 2 });
  await verdict(server, "run:1", clone, { consumers: 2 });
});

test("two tabs under one name: the newest is connected, the other is told why [AW-CONN-5]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:2", client: { consumer: "reader" } });
  await page.untilConnected();
  const other = await page.duplicate();
  await other.untilConnected();

  await page.until("the older one was told", () => fixture.client.state === "failed");
  const errors = await page.run(() => fixture.seen("error"));
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["replaced"],
  );
  const flushed = await page.run(() => fixture.client.flush().catch(({ code }) => code));
  assert.equal(flushed, "replaced", "nothing will be confirmed, so nobody waits for it");
  await produce(server, "run:2", { from: 1, upto: 20 });
  await verdict(server, "run:2", other);
  assert.deepEqual(await page.applied(), []);
  await until("one connection is left", async () => (await server.consumers("run:2"))[0].connected === true);
});
