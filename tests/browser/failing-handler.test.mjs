// Handlers that fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startServer, startSite, until, useBrowser } from "./harness/index.mjs";

const open = useBrowser();

test("an event whose handler throws comes again, and is confirmed when it succeeds [AW-ACK-5]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "throws-once" });
  await produce(server, "run:1", { from: 1, upto: 30 });
  await page.untilApplied(30);
  await until("everything is confirmed", async () => {
    const [view] = await server.consumers("run:1");
    return view.confirmed === (await server.head("run:1")) && view.unsettled === 0;
  });

  const applied = await page.applied();
  const log = await server.log("run:1");
  assert.deepEqual(applied.map(({ id }) => id).sort(), log.map(({ id }) => id).sort(), "each once");
  for (const { seq, attempt } of applied) assert.equal(attempt, seq % 10 === 0 ? 2 : 1, `attempt of ${seq}`);
  const stats = await page.run(() => fixture.client.stats());
  assert.ok(stats.nacks >= 3 && stats.connections === 1, JSON.stringify(stats));
  const { delivered_events, confirmed_events, failed: failures, suppressed } = stats.subscriptions[0];
  assert.deepEqual([delivered_events, confirmed_events, failures, suppressed], [33, 30, 3, 0]);
  const failed = await page.run(() => fixture.seen("failed"));
  assert.deepEqual(
    failed.map(({ seq }) => seq),
    [10, 20, 30],
  );
  const [delivery] = await server.deliveries("run:1", "e-10");
  assert.equal(delivery.state, "confirmed");
  assert.equal(delivery.attempt, 2);
  assert.match(delivery.last_error, /no luck with 10/);
});
