// What the page makes of the server's frames, by the same vectors as the native codec.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [new URL("../../js/frames.ts", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  write: false,
});
const { readFrame } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
);

const numbers = { of: (name) => name.length, find: () => 7, publish: () => 8 };
const read = (message) => readFrame(message, 3, numbers);

/** What is wrong with a message. */
function wrong(message) {
  try {
    read(message);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

test("the vectors are read as the native codec reads them", () => {
  const vectors = JSON.parse(readFileSync(new URL("../vectors/server_frames.json", import.meta.url), "utf8"));
  assert.ok(vectors.length > 0);
  for (const { text, valid, unknown = false } of vectors) {
    assert.equal(wrong(text) === undefined, valid, text);
    if (valid) assert.equal(read(text) === undefined, unknown, text);
  }
});

test("heads are read, and the payload is left alone [AW-EVENT]", () => {
  const events = [
    { seq: 4, id: "a", type: "t", time: 0, data: { x: 1 } },
    { seq: Number.MAX_SAFE_INTEGER, id: "b", type: "t", time: 0, data: null, attempt: 3, priority: "critical" },
  ];
  const frame = read(JSON.stringify({ type: "events", stream: "s", after: 0, upto: 9, events }));
  assert.deepEqual(frame.numbers, [19, 0, 3, 7, 0, 0, 9, 0, 4, 2, Number.MAX_SAFE_INTEGER, 7]);
  assert.equal(frame.words, "a\nb");
  assert.deepEqual(frame.events, events);
});

test("the field that is wrong is named [AW-CONN-2]", () => {
  const events = (...events) => ({ type: "events", stream: "s", after: 0, upto: 1, events });
  for (const [message, expected] of [
    [null, "a message is a JSON object"],
    [{}, "type"],
    [{ type: "events", stream: "s", after: 0, upto: 1, events: {} }, "events.events"],
    [{ type: "events", stream: 7, after: 0, upto: 1, events: [] }, "events.stream"],
    [{ type: "events", stream: "s", after: -1, upto: 1, events: [] }, "events.after"],
    [{ type: "events", stream: "s", after: 0, upto: 1.5, events: [] }, "events.upto"],
    [events(null), "events.events[]"],
    [events({ seq: "1", id: "a" }), "events.events[].seq"],
    [events({ seq: 0, id: "a" }), "events.events[].seq"],
    [events({ seq: 1, id: 2 }), "events.events[].id"],
    [events({ seq: 1, id: "a", attempt: 0 }), "events.events[].attempt"],
    [events({ seq: 1, id: "a", attempt: null }), "events.events[].attempt"],
    [events({ seq: 1, id: "a", priority: 1 }), "events.events[].priority"],
    [{ type: "ended", stream: "s" }, "ended.seq"],
    [{ type: "lost", stream: "s", after: 0, upto: 1, reason: "lazy" }, "lost.reason"],
    [{ type: "drain", reconnect_in_ms: 2 ** 32 }, "drain.reconnect_in_ms"],
    [{ type: "subscribed", stream: "s", epoch: "e f" }, "subscribed.epoch"],
  ]) {
    assert.equal(wrong(JSON.stringify(message)), expected);
  }
  assert.equal(wrong("{"), "a message is JSON");
  assert.equal(wrong(new Uint8Array(1)), "a message is text");
});
