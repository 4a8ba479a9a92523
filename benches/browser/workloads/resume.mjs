// The connection breaks, and much happens before the page is back.
import { now } from "../lib/clock.mjs";
import { streamName } from "../lib/events.mjs";
import { startRelay } from "../lib/relay.mjs";
import { check } from "./checking.mjs";

/** Events before the cut, so that there is something to resume. */
const BEFORE = 100;
const RATE = 500;
const PATIENCE_MS = 120_000;

const columns = [
  ["reconnectMs", { title: "cut to connecting again, ms" }],
  ["firstMs", { title: "cut to the first missed event, ms" }],
  ["lastMs", { title: "cut to the last, ms" }],
  ["recoveredMs", { title: "connecting again to the last, ms" }],
  ["confirmedMs", { title: "connecting again to all confirmed, ms" }],
];

/** `missed` is how many events the page misses. */
export function resume({ missed, bytes }) {
  return {
    title: `${missed.toLocaleString("en-US")} events of ${bytes} B missed after a cut`,
    columns,
    note: "How long a client waits before it connects again is its own choice, and partly chance.",
    plot: { column: "recoveredMs", title: "ms from connecting again to the last missed event, less is better" },
    isFresh: true,
    takes: ({ resumes = false }) => resumes,
    plan: ({ quick }) => ({
      streams: [streamName(0)],
      count: 0,
      bytes,
      missed: quick ? Math.ceil(missed / 10) : missed,
    }),
    async measure({ scope, peer, open, plan }) {
      const [stream] = plan.streams;
      const count = BEFORE + plan.missed;
      const address = await peer.call("guest", { times: true });
      const url = new URL(address.url);
      const relay = await startRelay(scope, Number(url.port));
      url.port = relay.port;
      const page = await open();
      await page.call("open", { ...address, url: url.href });
      await page.call("start", { streams: plan.streams, count, times: [BEFORE + 1] });
      await peer.call("following", stream);
      await peer.call("produce", { stream, bytes, rate: RATE, seconds: BEFORE / RATE });
      await page.until(`bench.progress().count === ${BEFORE}`);
      await relay.loseServer();
      await peer.call("append", { stream, from: BEFORE + 1, count: plan.missed, bytes });
      const cutAt = now();
      relay.losePage();
      const received = await page.call("received", undefined, PATIENCE_MS);
      const confirmedAt = await peer.call("confirmed", count);
      check(received, { count, bytes });
      const [[, firstAt]] = received.handledAt;
      return {
        reconnectMs: relay.connectedAt - cutAt,
        firstMs: firstAt - cutAt,
        lastMs: received.lastAt - cutAt,
        recoveredMs: received.lastAt - relay.connectedAt,
        confirmedMs: confirmedAt && confirmedAt - relay.connectedAt,
      };
    },
  };
}
