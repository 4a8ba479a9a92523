// What the log no longer holds is said, never passed over in silence; and a complete stream says that it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startServer, startSite, until, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

test("a page that comes back after retention took events is told exactly which [AW-SUB-4] [AW-RECV-6]", async (t) => {
  const [server, site] = [await startServer(t, { args: ["--dev", "--retain-events", "50"] }), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", commits: true });
  await produce(server, "run:1", { from: 1, upto: 20 });
  await verdict(server, "run:1", page);

  await page.leave();
  await produce(server, "run:1", { from: 21, upto: 200 });
  await page.comeBack();

  await page.until("the newest event is applied", () => fixture.applied.at(-1).id === "e-200");
  const [lost, ...more] = await page.run(() => fixture.seen("lost"));
  assert.deepEqual(more, []);
  assert.equal(lost.reason, "expired");
  assert.equal(lost.after, 20);
  const applied = await page.applied();
  assert.ok(applied.length >= 20 + 50, "what retention keeps has come");
  const missing = Array.from({ length: 200 }, (_, index) => index + 1).filter(
    (seq) => !applied.some((event) => event.seq === seq),
  );
  assert.equal(missing.at(0), lost.after + 1);
  assert.equal(missing.at(-1), lost.upto);
  assert.equal(missing.length, lost.upto - lost.after, "exactly what was declared lost is missing");
});

test("a stream's end is told once everything before it is handled [AW-RECV-7]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:2", handler: "gated" });
  await produce(server, "run:2", { from: 1, upto: 2 });
  const { status, body } = await server.request("POST", "/v1/streams/run%3A2/end");
  assert.deepEqual([status, body.ended, body.head], [200, true, 2]);
  const refused = await server.request("POST", "/v1/streams/run%3A2/events", { body: '{"type":"late","data":null}' });
  assert.equal(refused.body.error.code, "stream_ended");

  await page.until("the first handler runs", () => fixture.waiting() === 1);
  assert.deepEqual(await page.run(() => fixture.seen("ended")), []);
  await page.run(() => fixture.release());
  await page.until("the second handler runs", () => fixture.waiting() === 1);
  await page.run(() => fixture.release());
  const [ended] = await page.until("the end is told", () => fixture.seen("ended").length && fixture.seen("ended"));
  assert.equal(ended.seq, 2);
  await until("all is confirmed", async () => (await server.consumers("run:2"))[0].unsettled === 0);
});
