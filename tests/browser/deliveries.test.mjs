// What a back-end team sees of a real browser's deliveries: whether the user saw it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startServer, startSite, until, useBrowser } from "./harness/index.mjs";

const open = useBrowser();
const QUICK = ["--dev", "--delivery-backoff", "1ms", "--delivery-backoff-max", "1ms"];

/** Waits until the event is in this state, and returns what became of it. */
const untilState = (server, id, state) =>
  until(`${id} is ${state}`, async () => {
    const [delivery] = await server.deliveries("run:1", id);
    return delivery?.state === state && delivery;
  });

const list = async (server, name) => (await server.get(`/v1/streams/run%3A1/${name}`)).events;

test("a producer waits until the user's page has confirmed, and learns how long it took", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1" });
  await page.untilConnected();
  const { status, body } = await server.request("POST", "/v1/streams/run%3A1/events?wait=confirmed&timeout_ms=60000", {
    body: JSON.stringify({ id: "a", type: "tool_completed", priority: "critical", data: null }),
  });
  assert.equal(status, 201);
  assert.equal(body.waited[0].outcome, "confirmed");
  assert.equal(typeof body.waited[0].by[0].latency_ms, "number");
  assert.deepEqual(
    (await page.applied()).map(({ id }) => id),
    ["a"],
  );
});

test("a handler that throws for ever lands in dead letters, and succeeds once it is mended and requeued [AW-SEND-9]", async (t) => {
  const [server, site] = [await startServer(t, { args: QUICK }), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "throws" });
  await produce(server, "run:1", { from: 1, upto: 1 });
  const dead = await untilState(server, "e-1", "dead");
  assert.equal(dead.attempt, 4, "once, and three retries");
  assert.equal(dead.failures.length, 4);
  await page.until("the page is told", () => fixture.seen("lost").length === 1);
  const [letter] = await list(server, "dead-letters");
  assert.equal(letter.id, "e-1");
  assert.match(letter.failures.at(-1).message, /no luck with 1/);

  await page.run(() => {
    fixture.mend();
    fixture.run.handle("*", () => {
      fixture.unsettled = fixture.client.stats().subscriptions[0].unsettled;
    });
  });
  const [{ consumer }] = await server.consumers("run:1");
  const { status } = await server.request("POST", "/v1/streams/run%3A1/dead-letters/e-1/requeue", {
    body: JSON.stringify({ consumer }),
  });
  assert.equal(status, 200);
  await page.untilApplied(1);
  await untilState(server, "e-1", "confirmed");
  assert.deepEqual(
    (await page.applied()).map(({ id, attempt }) => [id, attempt]),
    [["e-1", 5]],
  );
  assert.equal(await page.run(() => fixture.unsettled), 1, "it counted while it was handled");
  assert.deepEqual(await list(server, "dead-letters"), []);
});

test("a handler that never settles times out, is retried, and fails for good [AW-SEND-2]", async (t) => {
  const args = [...QUICK, "--delivery-deadline", "100ms", "--delivery-retries", "1"];
  const [server, site] = [await startServer(t, { args }), await startSite(t)];
  await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "hangs" });
  await produce(server, "run:1", { from: 1, upto: 1 });
  const dead = await untilState(server, "e-1", "dead");
  assert.deepEqual(
    dead.failures.map(({ attempt, message, timed_out }) => [attempt, message, timed_out]),
    [1, 2].map((attempt) => [attempt, "not confirmed within 100 ms", true]),
  );
});

test("a tab that is closed before it confirmed gets the event when it is opened again [AW-SEND-8]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", handler: "gated" });
  await produce(server, "run:1", { from: 1, upto: 1 });
  await page.until("the handler runs", () => fixture.waiting() === 1);
  await page.leave();
  await until("the server knows", async () => !(await server.consumers("run:1"))[0].connected);
  assert.deepEqual(
    (await list(server, "pending")).map(({ id }) => id),
    ["e-1"],
    "what nobody confirmed is not confirmed",
  );
  await page.comeBack();
  await page.until("the handler runs again", () => fixture.waiting() === 1);
  await page.run(() => fixture.release());
  const confirmed = await untilState(server, "e-1", "confirmed");
  assert.equal(confirmed.attempt, 1, "no deadline ran while nobody was there");
});
