// What a page's own code takes for an event, and how much of it is more than a bare socket's page has to do.
import { streamName } from "../lib/events.mjs";
import { quantile } from "../lib/statistics.mjs";

const PATIENCE_MS = 120_000;
/** Events of a burst. */
const BURST = 6_400;
/** What disturbs, a collection or another process, only ever adds: what is left out of nine tenths of the bursts. */
const SHARE = 0.1;

const streams = (count) => Array.from({ length: count }, (_, index) => streamName(index));
const CASES = {
  us64: { title: "64 per frame", streams: streams(1), perFrame: 64 },
  us256: { title: "256 per frame", streams: streams(1), perFrame: 256 },
  usStreams: { title: "64 per frame, 20 streams in turn", streams: streams(20), perFrame: 64 },
};
const columns = Object.entries(CASES).flatMap(([key, { title }]) => [
  [key, { title: `${title}: µs/event` }],
  [key, { title: "above bare", above: "bare-64" }],
]);

export function warm({ bytes }) {
  return {
    title: `the page's own work for an event of ${bytes} B, once it is compiled`,
    columns,
    plot: { column: "us64", title: "µs/event, less is better" },
    note: "Frames have as many events as the column says.",
    takes: ({ hasStandIn = false }) => hasStandIn,
    plan: ({ quick }) => ({ streams: [], count: 0, bytes, bursts: quick ? 20 : 60 }),
    /** Each case in a page of its own. */
    async measure({ peer, open, plan: { bytes, bursts } }) {
      const figures = {};
      for (const [key, { streams, perFrame }] of Object.entries(CASES)) {
        const page = await open();
        const address = await peer.call("guest", {});
        const work = { streams, perFrame, frames: BURST / perFrame, bursts, bytes };
        const took = await page.call("warm", { address, work }, PATIENCE_MS);
        figures[key] = (quantile(took, SHARE) / BURST) * 1000;
      }
      return figures;
    },
  };
}
