// Prototype pollution: events, types, streams, ids and consumers named after what JavaScript's objects have by birth.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSite, useBrowser } from "./harness/index.mjs";

const open = useBrowser();

const NAMES = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "then", "toJSON"];
const PAYLOAD = `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":{"polluted":1},"then":1,"toString":1}`;
/** What a parser that recurses would not survive. */
const DEEP = "[".repeat(50_000) + "]".repeat(50_000);

test("names of Object.prototype are names like any other, and nothing is polluted", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, {
    socket: server.socketUrl,
    stream: "__proto__",
    client: { consumer: "__proto__" },
  });
  const born = () =>
    page.run(() =>
      JSON.stringify(
        [Object.prototype, Array.prototype, Function.prototype, Map.prototype].map((it) =>
          Reflect.ownKeys(it).map(String).sort(),
        ),
      ),
    );
  const before = await born();
  await page.run((names) => {
    const { client, run } = fixture;
    window.calls = [];
    for (const type of names) run.handle(type, (event) => void calls.push([event.stream, event.type, event.id]));
    const rest = names.filter((name) => name !== "__proto__");
    window.others = rest.map((stream) => client.subscribe(stream));
    for (const other of others)
      for (const type of names) other.handle(type, (event) => void calls.push([event.stream, event.type, event.id]));
    run.handle("deep", ({ data }) => {
      let depth = 0;
      for (let inner = data; inner; inner = inner[0]) depth++;
      window.depth = depth;
    });
  }, NAMES);

  const events = NAMES.map(
    (name) => `{"id":"${name}","type":"${name}","data":${PAYLOAD},"meta":{"__proto__":"x","constructor":"y"}}`,
  );
  for (const stream of NAMES) {
    const body = `[${events.join(",")},{"id":"deep","type":"deep","data":${DEEP}}]`;
    const { status } = await server.request("POST", `/v1/streams/${stream}/events`, { body });
    assert.equal(status, 201, stream);
  }
  const expected = NAMES.flatMap((stream) => NAMES.map((name) => [stream, name, name]));
  await page.until("all have come", (count) => calls.length >= count, expected.length);
  assert.deepEqual((await page.run(() => calls)).sort(), expected.sort());
  await page.until("the deep one has come, too", () => window.depth === 50_000);

  const published = await page.run(async (names) => {
    const answers = [];
    for (const name of names) {
      const meta = JSON.parse('{"__proto__":"x"}');
      answers.push(
        await fixture.client.publish(name, name, JSON.parse('{"__proto__":{"polluted":1}}'), {
          id: `mine-${name}`,
          meta,
        }),
      );
    }
    return answers.map(({ id, duplicate }) => [id, duplicate]);
  }, NAMES);
  assert.deepEqual(
    published,
    NAMES.map((name) => [`mine-${name}`, false]),
  );
  const log = await server.log("constructor");
  const mine = log.find(({ id }) => id === "mine-constructor");
  assert.deepEqual([Object.keys(mine.data), Object.entries(mine.meta)], [["__proto__"], [["__proto__", "x"]]]);

  // Notices have names of their own; these are none.
  const refused = await page.run((names) => {
    const on = (listens, name) => {
      try {
        listens.on(name, () => {});
      } catch ({ code }) {
        return code;
      }
    };
    return names.flatMap((name) => [on(fixture.client, name), on(fixture.run, name)]);
  }, NAMES);
  assert.deepEqual(new Set(refused), new Set(["invalid_argument"]));

  await page.run(() => fixture.client.flush());
  for (const stream of NAMES) {
    const [consumer] = await server.consumers(stream);
    assert.equal(consumer.consumer, "__proto__");
    const stats = await page.run(
      (stream) => fixture.client.stats().subscriptions.find((held) => held.stream === stream)?.stream,
      stream,
    );
    assert.equal(stats, stream);
  }
  assert.equal(await born(), before, "prototypes are as they were");
  assert.equal(await page.run(() => ({}).polluted ?? [].polluted ?? (() => {}).polluted ?? null), null);
  assert.deepEqual(await page.run(() => fixture.seen("failed")), []);
});
