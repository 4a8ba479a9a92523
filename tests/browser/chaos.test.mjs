// Everything at once, for a moment: `npm run chaos` and `npm run soak` do the same for longer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "./chaos/index.mjs";
import { progressLine, reportText } from "./chaos/report.mjs";
import { Scope } from "./chaos/scope.mjs";
import { printedSeed } from "./harness/index.mjs";

test("pages, server and network in every kind of trouble at once: nothing lost, repeated, or out of order [AW-PROMISE]", async (t) => {
  const seed = printedSeed();
  const onProgress = (state) => console.log(progressLine(state));
  const scope = new Scope();
  t.after(() => scope.close());
  const report = await runChaos(scope, { seed, minutes: 0.18, cuts: 10, kills: 2, onProgress });
  for (const line of reportText(report).split("\n")) t.diagnostic(line);
  assert.deepEqual(report.violations, []);
  assert.ok(report.in > 0 && report.applied > report.in, "events came, and several tabs applied them");
  assert.ok(report.memory.end.wasm > 0 && report.memory.end.heap > 0, "the pages' memory is looked at");
});
