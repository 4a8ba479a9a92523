// Everything at once with three servers on a real Redis: `npm run chaos -- --servers 3` does the same for longer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "./chaos/index.mjs";
import { progressLine, reportText } from "./chaos/report.mjs";
import { Scope } from "./chaos/scope.mjs";
import { hasRedis, printedSeed } from "./harness/index.mjs";

test("three servers on a Redis in every kind of trouble: nothing lost, repeated, or out of order [AW-PROMISE]", async (t) => {
  if (!hasRedis()) return t.skip("there is no redis-server");
  const seed = printedSeed();
  const onProgress = (state) => console.log(progressLine(state));
  const scope = new Scope();
  t.after(() => scope.close());
  const report = await runChaos(scope, { seed, minutes: 0.25, cuts: 10, kills: 5, servers: 3, onProgress });
  for (const line of reportText(report).split("\n")) t.diagnostic(line);
  assert.deepEqual(report.violations, []);
  assert.ok(report.in > 0 && report.applied > report.in, "events came, and several tabs applied them");
});
