// What the contestants have to do. `isTrial`: only when it is asked for by name.
import { backlog } from "./backlog.mjs";
import { live } from "./live.mjs";
import { ready } from "./ready.mjs";
import { responsive } from "./responsive.mjs";
import { resume } from "./resume.mjs";
import { warm } from "./warm.mjs";

export const workloads = {
  small: backlog({ title: "a backlog of 100,000 events of 200 B", count: 100_000, bytes: 200, perFrame: [64, 256] }),
  large: backlog({ title: "a backlog of 20,000 events of 2 KB", count: 20_000, bytes: 2048, perFrame: [16, 64] }),
  streams: backlog({
    title: "20 streams at once, 5,000 events of 200 B each",
    count: 100_000,
    bytes: 200,
    perFrame: [64, 256],
    streams: 20,
  }),
  "live-10": { ...live({ rate: 10, bytes: 200 }), isTrial: true },
  "live-50": live({ rate: 50, bytes: 200 }),
  "live-500": live({ rate: 500, bytes: 200 }),
  "live-5000": live({ rate: 5000, bytes: 200 }),
  million: responsive({ count: 1_000_000, bytes: 200 }),
  ready: ready(),
  warm: warm({ bytes: 200 }),
  "resume-100": resume({ missed: 100, bytes: 200 }),
  "resume-10000": resume({ missed: 10_000, bytes: 200 }),
  "resume-100000": resume({ missed: 100_000, bytes: 200 }),
};
