// Single events at a steady rate: how long each takes to its handler, and until the server knows that it was handled.
import { streamName } from "../lib/events.mjs";
import { quantile } from "../lib/statistics.mjs";
import { check } from "./checking.mjs";

/** How long a stream lasts, in seconds. */
const SECONDS = 5;
const QUICK_SECONDS = 1;
/** Before anything counts, in milliseconds: connections warm up, and so does the page's code. */
const WARM_UP_MS = 500;

const columns = [
  ["handledMedianMs", { title: "to the handler, median ms" }],
  ["handledP99Ms", { title: "p99 ms" }],
  ["confirmedMedianMs", { title: "confirmed, median ms" }],
  ["confirmedP99Ms", { title: "p99 ms" }],
  ["mainUs", { title: "main thread µs/event" }],
  ["mainUs", { title: "to bare", against: "bare-1" }],
  ["bytesUp", { title: "bytes up/event" }],
];

/** `rate` is in events a second. */
export function live({ rate, bytes }) {
  return {
    title: `a live stream of ${rate.toLocaleString("en-US")} single events of ${bytes} B a second`,
    columns,
    plot: { column: "mainUs", title: "main thread µs/event, less is better" },
    /** What an earlier page was told of is in nobody's way. */
    isFresh: true,
    takes: ({ config }) => (config?.perFrame ?? 1) === 1 || config.dedupe === true,
    plan: ({ quick }) => ({
      streams: [streamName(0)],
      count: 0,
      bytes,
      rate,
      seconds: quick ? QUICK_SECONDS : SECONDS,
    }),
    async measure({ peer, open, plan }) {
      const [stream] = plan.streams;
      const count = Math.round(plan.rate * plan.seconds);
      const address = await peer.call("guest", { times: true });
      const page = await open();
      await page.call("open", address);
      await page.call("start", { streams: plan.streams, count, times: true });
      await peer.call("following", stream);
      const warm = page.call("handled", Math.ceil((plan.rate * WARM_UP_MS) / 1000));
      const produced = peer.call("produce", { stream, bytes, rate: plan.rate, seconds: plan.seconds });
      await warm;
      const { count: countBefore } = await page.call("progress");
      const cpuBefore = await page.mainThreadMs();
      const received = await page.call("received", undefined, plan.seconds * 1000 + 60_000);
      const cpuMs = (await page.mainThreadMs()) - cpuBefore;
      await produced;
      const confirmedMs = await peer.call("confirmed", count).then(() => peer.call("confirmedAt"));
      check(received, { count, bytes });
      const sentAt = new Map(received.handledAt.map(([n, , sent]) => [n, sent]));
      const counts = ([n]) => sentAt.get(n) - sentAt.get(1) >= WARM_UP_MS;
      const handled = received.handledAt.filter(counts).map(([, at, sent]) => at - sent);
      const confirmed = (confirmedMs ?? []).filter(counts).map(([n, at]) => at - sentAt.get(n));
      return {
        handledMedianMs: quantile(handled, 0.5),
        handledP99Ms: quantile(handled, 0.99),
        confirmedMedianMs: quantile(confirmed, 0.5),
        confirmedP99Ms: quantile(confirmed, 0.99),
        mainUs: (cpuMs / (count - countBefore)) * 1000,
        bytesUp: received.bytesUp / count,
        messagesUp: received.messagesUp,
      };
    },
  };
}
