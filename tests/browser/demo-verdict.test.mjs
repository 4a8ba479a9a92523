// The demo's verdict names what is wrong, whatever is wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { summary } from "../../www/record.js";
import { judge, PATIENCE_MS } from "../../www/verdict.js";

const event = (seq, data = { seq }) => summary({ seq, id: `id-${seq}`, type: "step", data });
const events = (...seqs) => seqs.map((seq) => event(seq));

function verdict({ log = events(1, 2, 3, 4), applied = log, confirmed = 4, ...rest }) {
  const head = log.at(-1)?.seq ?? 0;
  return judge({ log, tail: { oldest: 1, head, ended: true }, applied, lost: [], confirmed, waitedMs: 0, ...rest });
}

const failed = ({ checks }) => checks.filter(({ state }) => state === "failed").map(({ name }) => name);

test("log and page agree", () => {
  const { state, text, checks } = verdict({});
  assert.equal(state, "agree");
  assert.equal(text, "Log and page agree: 4 events, every one here once, in order, confirmed.");
  assert.ok(checks.every((check) => check.state === "good"));
});

test("an empty stream agrees", () => {
  assert.equal(verdict({ log: [], confirmed: 0 }).state, "agree");
});

test("what is still on its way is no failure, until it has been for too long", () => {
  const { state, text } = verdict({ applied: events(1, 2), confirmed: 2 });
  assert.deepEqual([state, text], ["behind", "Catching up: 2 events of 4 to come."]);
  const late = verdict({ applied: events(1, 2), confirmed: 2, waitedMs: PATIENCE_MS + 1 });
  assert.equal(late.text, "Log and page differ: 2 events did not come.");
  assert.deepEqual(failed(late), ["none missing"]);
});

test("what is not confirmed yet is said, and fails when it stays so", () => {
  const { state, text } = verdict({ confirmed: 3 });
  assert.deepEqual([state, text], ["behind", "All 4 events are here. Confirmed up to 3 of 4."]);
  const late = verdict({ confirmed: 3, waitedMs: PATIENCE_MS + 1 });
  assert.deepEqual([late.state, failed(late)], ["differ", ["all confirmed"]]);
});

test("an event that was passed over is missing", () => {
  const { state, text } = verdict({ applied: events(1, 4) });
  assert.deepEqual([state, text], ["differ", "Log and page differ: events 2–3 are missing."]);
});

test("a hole that was declared lost says so", () => {
  const { text } = verdict({ applied: events(1, 2, 4), lost: [{ after: 2, upto: 3, reason: "failed" }] });
  assert.equal(text, "Log and page differ: event 3 is missing, declared lost (failed).");
});

test("an event that came twice, and one out of order", () => {
  const twice = verdict({ applied: events(1, 2, 2, 3, 4) });
  assert.equal(twice.text, "Log and page differ: event 2 was applied twice.");
  const swapped = verdict({ applied: events(1, 3, 2, 4) });
  assert.equal(swapped.text, "Log and page differ: event 2 came after 3.");
  assert.deepEqual([failed(twice), failed(swapped)], [["none twice"], ["in order"]]);
});

test("an event that the log does not hold, or holds otherwise", () => {
  const log = events(1, 2, 4);
  assert.match(verdict({ log, applied: events(1, 2, 3, 4) }).text, /event 3 is not in the log/);
  const changed = [event(1), event(2, { seq: "other" }), event(4)];
  assert.match(verdict({ log, applied: changed }).text, /event 2 has other content/);
});

test("what the log has trimmed is not held against the page", () => {
  const log = events(3, 4);
  const tail = { oldest: 3, head: 4, ended: true };
  assert.equal(verdict({ log, tail, applied: events(1, 2, 3, 4) }).state, "agree");
});

test("of many things that are wrong, three are named", () => {
  const { text } = verdict({ log: events(1, 2, 3, 4, 5, 6, 7, 8, 9), applied: events(1, 3, 5, 7, 9), confirmed: 9 });
  assert.match(text, /event 2 is missing; event 4 is missing; event 6 is missing, and 1 thing more/);
});
