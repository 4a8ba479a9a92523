// The checks of the chaos runs can fail: each kind of wrong that a run looks for, made by hand, is found.
import assert from "node:assert/strict";
import { test } from "node:test";
import { POISON } from "./chaos/cast.mjs";
import { Ledger } from "./chaos/ledger.mjs";
import { Outages } from "./chaos/outage.mjs";
import { plan } from "./chaos/plan.mjs";
import { digest } from "./site/digest.js";

const STREAM = "run:1";
const log = [1, 2, 3].map((seq) => ({ seq, id: `e-${seq}`, data: { seq } }));
const applied = (seq, more = {}) => {
  return { kind: "applied", life: 1, seq, id: `e-${seq}`, attempt: 1, digest: digest({ seq }), ...more };
};
const failed = (seq, more = {}) => ({ ...applied(seq), kind: "failed", type: "x", ...more });

/** Books a run in which all three events were sent and answered, and the page noted these entries. */
function books(entries, { role = {}, held = log, confirmed = 0 } = {}) {
  const ledger = new Ledger();
  const view = ledger.watch("tab", STREAM, role);
  for (const { seq, id, data } of log) {
    ledger.sending(STREAM, id, digest(data));
    ledger.answered(STREAM, id, seq);
  }
  for (const entry of entries) view.take(entry);
  view.confirmed(confirmed);
  ledger.close(STREAM, held, digest);
  return { ledger, view };
}

const FINE = {
  "each once, in order": [[applied(1), applied(2), applied(3)], { confirmed: 3 }],
  "a failed event succeeds later": [
    [failed(1), applied(2), applied(1, { attempt: 2 }), applied(3)],
    { role: { fails: true }, confirmed: 3 },
  ],
  "an event that a later page life applies again": [
    [applied(1), applied(2), applied(2, { life: 2 }), applied(3, { life: 2 })],
  ],
  "poison that is a dead letter": [
    [
      applied(1),
      failed(2, { type: POISON }),
      { kind: "lost", life: 1, after: 1, upto: 2, reason: "failed" },
      applied(3),
    ],
    { role: { fails: true }, confirmed: 3 },
  ],
};

for (const [what, [entries, run]] of Object.entries(FINE)) {
  test(`the books balance: ${what}`, () => assert.deepEqual(books(entries, run).ledger.violations, []));
}

const lost = (reason) => ({ kind: "lost", life: 1, after: 1, upto: 2, reason });
const WRONG = {
  order: [[applied(2), applied(1), applied(3)]],
  repeated: [[applied(1), applied(2), applied(2), applied(3)]],
  "repeated, under another seq": [[applied(1), applied(2, { id: "e-1" }), applied(3)]],
  "repeated, with a higher attempt": [[applied(1), applied(2), applied(2, { attempt: 2 }), applied(3)]],
  "repeated, while the handler runs": [
    [{ ...applied(1), kind: "begun" }, { ...applied(1), kind: "begun" }, applied(1), applied(2), applied(3)],
  ],
  "repeated, in a later life with a position": [
    [applied(1), applied(2), applied(2, { life: 2 }), applied(3, { life: 2 })],
    { role: { commits: true } },
  ],
  missing: [[applied(1), applied(3)]],
  "lost, expired": [[applied(1), lost("expired"), applied(3)]],
  "lost, whatever it was": [
    [applied(1), applied(2), applied(3), { kind: "lost", life: 1, after: 3, upto: 9, reason: "compacted" }],
  ],
  "lost, failed without having failed": [[applied(1), lost("failed"), applied(3)]],
  "lost, failed though a retry would do": [
    [applied(1), failed(2), lost("failed"), applied(3)],
    { role: { fails: true } },
  ],
  confirmed: [[applied(1), applied(3)], { confirmed: 2 }],
  handler: [[failed(1), applied(1, { attempt: 2 }), applied(2), applied(3)]],
  reset: [[applied(1), { kind: "reset", life: 1 }, applied(2), applied(3)]],
  error: [[applied(1), { kind: "error", life: 1, message: "4400" }, applied(2), applied(3)]],
  "log ≠ page": [[applied(1), applied(2, { digest: 7 }), applied(3)]],
  "log ≠ page, another id": [[applied(1), applied(2, { id: "other" }), applied(3)]],
  "log ≠ page, more than the log": [[applied(1), applied(2), applied(3), applied(4)]],
  durable: [[applied(1), applied(2)], { held: log.slice(0, 2) }],
  "log, out of order": [[applied(1), applied(2), applied(3)], { held: [log[1], log[0], log[2]] }],
  "log, twice": [[applied(1), applied(2), applied(3)], { held: [...log, { ...log[0], seq: 4 }] }],
  "log, from nowhere": [[applied(1), applied(2), applied(3)], { held: [...log, { seq: 4, id: "e-4", data: 4 }] }],
  "log, changed": [[applied(1), applied(2), applied(3)], { held: [{ ...log[0], data: "other" }, log[1], log[2]] }],
};

for (const [what, [entries, run]] of Object.entries(WRONG)) {
  test(`the books do not balance: ${what}`, () => {
    const { ledger } = books(entries, run);
    const rule = what.split(",")[0];
    assert.ok(ledger.broken[rule] > 0, JSON.stringify(ledger.broken));
  });
}

test("an answer that contradicts an earlier one is found", () => {
  const { ledger } = books([applied(1), applied(2), applied(3)]);
  ledger.answered(STREAM, "e-1", 9);
  assert.deepEqual(Object.keys(ledger.broken), ["answered"]);
});

test("an outage counts from the last event applied while others wait, and not while nothing waits", () => {
  const outages = new Outages();
  const view = { tab: "tab", stream: STREAM, reached: 1 };
  outages.look(0, view, 1);
  outages.look(10_000, view, 1);
  assert.equal(outages.longest.ms, 0, "nothing waited");
  outages.look(10_250, view, 2);
  outages.look(12_000, view, 3);
  view.reached = 2;
  outages.look(12_250, view, 3);
  outages.look(12_500, view, 3);
  assert.equal(outages.longest.ms, 2_250);
});

test("a plan is its seed's alone, has every kind of trouble, and as many cuts and kills as were asked for", () => {
  const asked = { ms: 60_000, cuts: 30, kills: 3, tabs: 5, producers: 4, servers: 3 };
  assert.deepEqual(plan({ seed: 1, ...asked }), plan({ seed: 1, ...asked }));
  assert.notDeepEqual(plan({ seed: 1, ...asked }), plan({ seed: 2, ...asked }));
  const kinds = plan({ seed: 1, ...asked }).map(({ kind }) => kind);
  const count = (kind) => kinds.filter((other) => other === kind).length;
  assert.equal(count("cut"), 30);
  assert.equal(count("kill"), 3);
  assert.deepEqual([...new Set(kinds)].sort(), [
    "Redis hangs",
    "Redis killed",
    "clock",
    "cut",
    "frames",
    "full disk",
    "half-open",
    "hang",
    "kill",
    "reload",
    "restart",
    "split",
    "stall",
    "throttle",
  ]);
});
