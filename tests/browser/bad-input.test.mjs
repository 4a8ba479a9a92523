// Input that is wrong ends in a clear error and loses nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const HELLO = JSON.stringify({ type: "hello", consumer: "raw", agent: "test/1", subscriptions: [] });

test("frames that break the protocol close with 4400 and say which field; nothing else is harmed [AW-CONN-2]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1" });
  await produce(server, "run:1", { from: 1, upto: 10 });
  const exchange = (frames) => page.run((frames) => fixture.rawExchange(frames), frames);
  const subscribe = (fields) =>
    JSON.stringify({
      type: "subscribe",
      stream: "raw:1",
      from: "start",
      window: { events: 1, bytes: 1024 },
      ...fields,
    });

  for (const [what, frames, code, reason] of [
    ["text that is no JSON", ["{"], 4400, /no frame/],
    ["JSON that is no object", ["[]"], 4400, /./],
    ["a binary message", [[1, 2, 3]], 4400, /binary/i],
    ["a frame before hello", [JSON.stringify({ type: "ping" })], 4400, /hello/],
    ["a hello without a consumer", [JSON.stringify({ type: "hello", subscriptions: [] })], 4400, /consumer/],
    ["a stream's name with a space", [HELLO, subscribe({ stream: "run 1" })], 4400, /stream/],
    ["a window out of bounds", [HELLO, subscribe({ window: { events: 0, bytes: 1024 } })], 4400, /window/],
    ["a seq beyond 2^53", [HELLO, subscribe({ from: { epoch: "x", seq: 2 ** 53 } })], 4400, /seq|from/],
    [
      "an ack of what was never sent",
      [HELLO, subscribe(), JSON.stringify({ type: "ack", stream: "raw:1", epoch: "x", upto: 9 })],
      4400,
      /ack/,
    ],
    ["a frame that is too large", [HELLO, JSON.stringify({ type: "publish", data: "x".repeat(300_000) })], 4413, /./],
  ]) {
    const closed = await exchange(frames);
    assert.equal(closed.code, code, `${what}: ${JSON.stringify(closed)}`);
    assert.match(closed.reason, reason, what);
  }
  await verdict(server, "run:1", page);
});

test("a frame of unknown type and an unknown field are ignored [AW-CONN-2]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1" });
  const bad = JSON.stringify({ type: "ack" });
  const hello = JSON.stringify({ ...JSON.parse(HELLO), shoe_size: 43 });
  const { received } = await page.run(
    (frames) => fixture.rawExchange(frames),
    [hello, JSON.stringify({ type: "dance" }), JSON.stringify({ type: "ping" }), bad],
  );
  assert.deepEqual(received.map(({ type }) => type).slice(0, 2), ["welcome", "pong"]);
});

test("a position from the future and a position of another epoch are reset, and the run goes on [AW-SUB-5]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  await produce(server, "run:1", { from: 1, upto: 10 });
  const { epoch } = await server.get("/v1/streams/run%3A1");

  const future = await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    client: { consumer: "future" },
    run: { from: { epoch, seq: 900 } },
  });
  const [ahead] = await future.until("the reset is told", () => fixture.seen("reset").length && fixture.seen("reset"));
  assert.deepEqual(
    { void: ahead.void, position: ahead.position },
    { void: { epoch, seq: 900 }, position: { epoch, seq: 10 } },
  );

  const other = await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    client: { consumer: "other" },
    run: { from: { epoch: "elsewhere", seq: 4 } },
  });
  const [foreign] = await other.until("the reset is told", () => fixture.seen("reset").length && fixture.seen("reset"));
  assert.deepEqual(
    { void: foreign.void, position: foreign.position },
    { void: { epoch: "elsewhere", seq: 4 }, position: { epoch, seq: 0 } },
  );

  await produce(server, "run:1", { from: 11, upto: 20 });
  await verdict(server, "run:1", other, { consumers: 2 });
  assert.deepEqual(
    (await future.applied()).map(({ seq }) => seq),
    [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
  );
});

test("options, addresses and names that are wrong throw at once and say what is wrong", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1" });
  const caught = await page.run((socket) => {
    const { Ackwire } = fixture;
    const fresh = () => new Ackwire(socket);
    const tries = {
      relative: () => new Ackwire("/v1/socket"),
      http: () => new Ackwire("http://127.0.0.1/v1/socket"),
      secret: () => new Ackwire("ws://127.0.0.1/v1/socket?token=abc"),
      option: () => new Ackwire(socket, { backoff: { baseMs: -1 } }),
      consumer: () => new Ackwire(socket, { consumer: "a b" }),
      stream: () => fresh().subscribe("run 1"),
      long: () => fresh().subscribe("x".repeat(201)),
      from: () => fresh().subscribe("run:1", { from: "yesterday" }),
      window: () => fresh().subscribe("run:1", { window: { events: 0 } }),
      twice: () => {
        const client = fresh();
        client.subscribe("run:1");
        client.subscribe("run:1");
      },
    };
    return Object.entries(tries).map(([name, attempt]) => {
      try {
        attempt();
        return [name, "nothing", ""];
      } catch ({ code, message, remediation }) {
        return [name, code, message, typeof remediation];
      }
    });
  }, server.socketUrl);
  const expected = {
    relative: ["invalid_url", /absolute/],
    http: ["invalid_url", /ws:\/\//],
    secret: ["invalid_url", /token/],
    option: ["invalid_option", /backoff\.baseMs.*-1/],
    consumer: ["invalid_option", /consumer.*a b/],
    stream: ["invalid_argument", /stream.*run 1/],
    long: ["invalid_argument", /stream.*200/],
    from: ["invalid_option", /from.*yesterday/],
    window: ["invalid_option", /window\.events.*10000/],
    twice: ["already_subscribed", /run:1/],
  };
  for (const [name, code, message, remediation] of caught) {
    assert.equal(code, expected[name][0], `${name}: ${message}`);
    assert.match(message, expected[name][1], name);
    assert.equal(remediation, "string", name);
  }
});

test("producers' input that is wrong is refused whole, and says where [all or nothing]", async (t) => {
  const server = await startServer(t);
  const path = "/v1/streams/run%3A1/events";
  const lines = ['{"type":"a","data":1}', '{"type":"b","data":2}', '{"type":"c",'].join("\n");
  for (const [what, body, contentType, status, message] of [
    ["no JSON", "{", "application/json", 400, /JSON|parse|EOF/i],
    ["no type", '{"data":1}', "application/json", 400, /type/],
    ["NDJSON with a bad line", lines, "application/x-ndjson", 400, /line 3/],
  ]) {
    const answer = await server.request("POST", path, { body, contentType });
    assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
    assert.match(answer.body.error.message, message, what);
    assert.equal(answer.body.error.code, "invalid_request", what);
  }
  const spaced = await server.request("POST", "/v1/streams/run%201/events", { body: '{"type":"a","data":1}' });
  assert.deepEqual([spaced.status, spaced.body.error.code], [400, "invalid_stream"]);
  const unknown = await server.request("GET", "/v1/streams/nobody");
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, "unknown_stream"]);
  assert.equal((await server.request("GET", "/v1/streams/run%3A1")).status, 404, "nothing was appended");
});

test("a second server on the same data folder refuses to start and says why", async (t) => {
  const server = await startServer(t);
  await assert.rejects(startServer(t, { data: server.data }), /in use|locked|another/i);
});
