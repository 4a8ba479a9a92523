// The check that every run ends with: log and page agree, in order, none missing, none twice, all confirmed.
import assert from "node:assert/strict";
import { until } from "./until.mjs";

/** Waits until the page has come to the log's end and has confirmed it, then compares the two. */
export async function verdict(server, stream, page, { consumers = 1 } = {}) {
  const log = await server.log(stream);
  await page.untilApplied(log.length);
  const views = await until(`${consumers} consumers of ${stream} have confirmed everything`, async () => {
    const [views, head] = [await server.consumers(stream), await server.head(stream)];
    const done = views.length >= consumers && views.every((view) => view.confirmed === head && view.unsettled === 0);
    return done && views;
  });
  assert.equal(views.length, consumers, "consumers that the server knows");

  const applied = await page.applied();
  const seqs = applied.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    "applied in order, none twice",
  );
  assert.deepEqual(
    applied.map(({ seq, id, data }) => ({ seq, id, data })),
    log.map(({ seq, id, data }) => ({ seq, id, data })),
    "the page applied what the log holds",
  );
}
