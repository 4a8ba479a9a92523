// Everything is there already, and is wanted as fast as it can be had.
import { streamName } from "../lib/events.mjs";
import { check } from "./checking.mjs";

/** How long a page may take, in milliseconds, before it counts as hanging. */
const PATIENCE_MS = 120_000;

/** What the report tells of it: figures of `measure`, as they are or as ratios to another contestant in the same run. */
const columns = (perFrame) => [
  ["perSecond", { title: "events/s, confirmed" }],
  ...[1, ...perFrame].map((events) => ["perSecond", { title: `to bare at ${events}`, against: `bare-${events}` }]),
  ["mainUs", { title: "main thread µs/event" }],
  ["bytesUp", { title: "bytes up/event" }],
  ["heapMb", { title: "heap growth MB" }],
];

/** `quick` takes a tenth of the events; `perFrame` are sizes of frames like Ackwire's, which grow. */
export function backlog({ title, count, bytes, perFrame, streams = 1 }) {
  return {
    title,
    columns: columns(perFrame),
    plot: { column: "perSecond", title: "events/s, delivered and confirmed where the contestant confirms" },
    /** What the server has before anybody comes. */
    plan: ({ quick }) => ({
      streams: Array.from({ length: streams }, (_, index) => streamName(index)),
      count: quick ? count / 10 : count,
      bytes,
    }),
    /** One measurement, with a page that has nothing behind it. */
    async measure({ peer, open, plan }) {
      const address = await peer.call("guest", {});
      const page = await open();
      await page.call("open", address);
      const heapBefore = await page.memory();
      const cpuBefore = await page.mainThreadMs();
      await page.call("start", { streams: plan.streams, count: plan.count });
      const received = await page.call("received", undefined, PATIENCE_MS);
      const confirmedAt = await peer.call("confirmed", plan.count);
      const cpuMs = (await page.mainThreadMs()) - cpuBefore;
      const heapBytes = (await page.memory()) - heapBefore;
      check(received, plan);
      const ms = (confirmedAt ?? received.lastAt) - received.firstAt;
      return {
        perSecond: (plan.count / ms) * 1000,
        deliveredPerSecond: (plan.count / (received.lastAt - received.firstAt)) * 1000,
        mainUs: (cpuMs / plan.count) * 1000,
        busy: cpuMs / ms,
        bytesUp: received.bytesUp / plan.count,
        messagesUp: received.messagesUp,
        firstMs: received.firstAt - received.startedAt,
        heapMb: heapBytes / 2 ** 20,
      };
    },
  };
}
