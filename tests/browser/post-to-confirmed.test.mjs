// A producer's POST becomes a confirmed event in a browser: the job of the whole project, from end to end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSite, until, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

test("an event is confirmed, with the time it took, only after the page's handler finished [AW-ACK-1]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "gated" });
  await page.untilConnected();

  const { events } = await server.post("run:1", { id: "e-1", type: "tool_completed", data: { files: 3 } });
  assert.deepEqual(events, [{ id: "e-1", seq: events[0].seq, duplicate: false }]);

  // The page has it, and its handler is still at work: nothing but "sent" may be claimed.
  await page.until("the handler runs", () => fixture.waiting() === 1);
  const [sent] = await server.deliveries("run:1", "e-1");
  assert.equal(sent.state, "sent");
  assert.ok(sent.sent_at > 0);
  assert.equal(sent.confirmed_at ?? null, null);
  // A second event, posted and sent while the first is at work, shows that time alone does not confirm.
  await server.post("run:1", { id: "e-2", type: "tool_completed", data: { files: 4 } });
  await page.until("the second event has arrived", () => fixture.run.position.received >= 2);
  assert.equal((await server.deliveries("run:1", "e-1"))[0].state, "sent");

  await page.run(() => fixture.release());
  const confirmed = await until("e-1 is confirmed", async () => {
    const [delivery] = await server.deliveries("run:1", "e-1");
    return delivery.state === "confirmed" && delivery;
  });
  assert.ok(confirmed.confirmed_at >= confirmed.sent_at);
  assert.equal(confirmed.latency_ms, confirmed.confirmed_at - confirmed.sent_at);
  assert.equal((await server.deliveries("run:1", "e-2"))[0].state, "sent", "the second one's handler waits");

  await page.until("the second handler runs", () => fixture.waiting() === 1);
  await page.run(() => fixture.release());
  await verdict(server, "run:1", page);
});

test("a producer that repeats its POST adds nothing, and the page sees the event once", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:2" });
  const first = await server.post("run:2", { id: "e-1", type: "agent_started", data: null });
  const again = await server.post("run:2", { id: "e-1", type: "agent_started", data: null });
  assert.deepEqual(again.events, [{ ...first.events[0], duplicate: true }]);
  await server.post("run:2", { id: "e-2", type: "agent_completed", data: null });
  await verdict(server, "run:2", page);
});

test("what a page publishes is an event like any other, and comes back once", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:3" });
  const published = await page.run(async () => {
    const first = await fixture.client.publish("run:3", "user_message", { text: "Hallo ✓" }, { id: "m-1" });
    const again = await fixture.client.publish("run:3", "user_message", { text: "Hallo ✓" }, { id: "m-1" });
    return { first, again };
  });
  assert.deepEqual(published.again, { ...published.first, duplicate: true });
  await verdict(server, "run:3", page);
});
