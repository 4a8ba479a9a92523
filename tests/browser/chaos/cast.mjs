// Who takes part: which tabs apply which streams and how, and who appends to them.

/** An event of this type fails in every attempt, where the handler is one that fails. */
export const POISON = "poison";

/** Streams that producers append to over HTTP, and the one that pages publish to. */
export const RUNS = ["run:1", "run:2", "run:3"];
export const CHAT = "chat:1";
export const STREAMS = [...RUNS, CHAT];

/** How hasty a page is: faster than by default, because troubles come by the second here and not by the hour. */
export const HASTE = {
  backoff: { baseMs: 200, maxMs: 1_500 },
  connectTimeoutMs: 3_000,
  probeTimeoutMs: 1_000,
};

/** How hasty the server is. */
export const SERVER_FLAGS = [
  ...["--dev", "--heartbeat", "1s", "--delivery-backoff", "200ms", "--delivery-backoff-max", "1s"],
];

const stream = (name, handler, run = {}) => ({ name, handler, run });

/** The tabs; `reloads` are those that the user reloads. See `site/chaos.js` for the rest. */
export const TABS = [
  {
    name: "plain",
    streams: RUNS.map((name) => stream(name, "sync")),
    publishes: CHAT,
  },
  {
    name: "slow",
    streams: [
      stream("run:1", "slow", { window: { events: 16 } }),
      stream("run:2", "slow", { window: { events: 64 }, concurrency: 4 }),
    ],
  },
  {
    name: "failing",
    streams: [stream("run:2", "failing", { window: { events: 64 } }), stream("run:3", "failing")],
    publishes: CHAT,
  },
  {
    name: "reloading",
    streams: [stream("run:1", "sync", { window: { events: 32 } }), stream("run:3", "iterate"), stream(CHAT, "sync")],
    reloads: true,
  },
  {
    name: "committing",
    streams: [stream("run:2", "sync"), stream("run:3", "slow")],
    commits: true,
    reloads: true,
  },
];

/** The stream that each producer appends to; two share one. */
export const PRODUCERS = ["run:1", "run:2", "run:3", "run:1"];
