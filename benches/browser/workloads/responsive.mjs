// A very large backlog, in a page whose user wants to do something meanwhile.
import { streamName } from "../lib/events.mjs";
import { check } from "./checking.mjs";

const PATIENCE_MS = 300_000;

const columns = [
  ["perSecond", { title: "events/s" }],
  ["longestTaskMs", { title: "longest task, ms (0: none over 50)" }],
  ["longTasks", { title: "tasks over 50 ms" }],
  ["longestGapMs", { title: "longest time without a painted frame, ms" }],
  ["droppedShare", { title: "frames dropped, %" }],
  ["mainUs", { title: "main thread µs/event" }],
  ["heapMb", { title: "memory growth MB" }],
];

export function responsive({ count, bytes }) {
  return {
    title: `a backlog of ${count.toLocaleString("en-US")} events of ${bytes} B while the page stays responsive`,
    columns,
    plot: { column: "droppedShare", title: "% of frames not painted in time, less is better" },
    takes: ({ takesMillion = false }) => takesMillion,
    plan: ({ quick }) => ({ streams: [streamName(0)], count: quick ? count / 10 : count, bytes }),
    async measure({ peer, open, plan }) {
      const address = await peer.call("guest", {});
      const page = await open();
      await page.call("open", address);
      const memoryBefore = await page.memory();
      const cpuBefore = await page.mainThreadMs();
      await page.call("start", { streams: plan.streams, count: plan.count, smoothness: true });
      const received = await page.call("received", undefined, PATIENCE_MS);
      const cpuMs = (await page.mainThreadMs()) - cpuBefore;
      const bytesKept = (await page.memory()) - memoryBefore;
      check(received, plan);
      const { frames, dropped, longestGapMs, longTasks, longestTaskMs } = received.smoothness;
      return {
        perSecond: (plan.count / (received.lastAt - received.firstAt)) * 1000,
        longestTaskMs,
        longTasks,
        longestGapMs,
        droppedShare: (dropped / (frames + dropped)) * 100,
        mainUs: (cpuMs / plan.count) * 1000,
        heapMb: bytesKept / 2 ** 20,
      };
    },
  };
}
