// Servers on a Redis are replaced one after the other: `npm run rolling` does it with more clients.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasRedis } from "./harness/index.mjs";
import { rollingText, runRolling } from "./rolling/index.mjs";

test("a rolling restart sends every client elsewhere, and none of them misses anything [AW-DRAIN]", async (t) => {
  if (!hasRedis()) return t.skip("there is no redis-server");
  const report = await runRolling(t, { clients: 20, drainMs: 1_000, isKnown: false });
  for (const line of rollingText(report).split("\n")) t.diagnostic(line);
  assert.deepEqual(report.violations, []);
  assert.ok(report.returns >= 20, "each was at one of the servers");
});
