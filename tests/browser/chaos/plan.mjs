// When there is what kind of trouble: everything that is left to chance, drawn from the seed before the run begins.
import { generator } from "../harness/index.mjs";

/** How often a minute what is not counted comes along; each comes at least once. */
const PER_MINUTE = {
  stall: 6,
  "half-open": 4,
  throttle: 5,
  split: 5,
  frames: 4,
  reload: 4,
  clock: 4,
  hang: 1.5,
  restart: 1,
  "full disk": 1,
  "Redis killed": 1,
  "Redis hangs": 1,
};

const SECOND = 1_000;
const DAY = 86_400 * SECOND;

/** What a trouble is, besides its kind; times in milliseconds, `lane`, `tab` and `server` as a number to count round with. */
const DETAILS = {
  cut: ({ lane, pick }) => ({ lane: lane(), how: pick(["reset", "end"]) }),
  kill: ({ server, between, chance }) => ({ server: server(), forMs: chance(0.3) ? 0 : between(0, 1_500) }),
  hang: ({ server, between }) => ({ server: server(), forMs: between(300, 3_000) }),
  restart: ({ server, between }) => ({ server: server(), forMs: between(0, 500) }),
  stall: ({ lane, pick, between }) => ({
    lane: lane(),
    directions: pick([["up"], ["down"], ["up", "down"]]),
    forMs: between(300, 5_000),
  }),
  "half-open": ({ lane, between }) => ({ lane: lane(), forMs: between(500, 4_000) }),
  throttle: ({ lane, between }) => ({
    lane: lane(),
    bytesPerSecond: between(2_000, 20_000),
    forMs: between(1_000, 6_000),
  }),
  split: ({ lane, between }) => ({ lane: lane(), forMs: between(1_000, 4_000) }),
  frames: ({ tab, between }) => ({ lane: tab(), forMs: between(1_000, 4_000) }),
  reload: ({ tab }) => ({ tab: tab() }),
  clock: ({ pick, between, chance }) => ({
    ms: pick([-1, 1]) * (chance(0.3) ? between(1 * DAY, 400 * DAY) : between(1 * SECOND, 7_200 * SECOND)),
  }),
  "full disk": ({ between }) => ({ forMs: between(500, 3_000) }),
  "Redis killed": ({ between }) => ({ forMs: between(0, 1_500) }),
  "Redis hangs": ({ between }) => ({ forMs: between(300, 3_000) }),
};

/**
 * The troubles of a run of `ms` milliseconds, in order: `{at, kind, …}`. `cuts` and `kills` are made exactly. The first
 * moments are quiet, so that there is something to break.
 */
export function plan({ seed, ms, cuts, kills, tabs, producers, servers = 1 }) {
  const random = generator(seed);
  const tab = () => random.below(tabs);
  const server = () => random.below(servers);
  // Pages' connections come first, producers' after them. Most trouble is the pages'.
  const lane = () => (random.chance(0.8) ? tab() : tabs + random.below(producers));
  const counts = { cut: cuts, kill: kills };
  for (const [kind, rate] of Object.entries(PER_MINUTE)) counts[kind] = Math.max(1, Math.round((rate * ms) / 60_000));

  const quiet = Math.min(ms * 0.1, 2_000);
  const troubles = [];
  for (const [kind, count] of Object.entries(counts)) {
    for (let index = 0; index < count; index++) {
      // One in each part of the run: evenly, and yet at any moment.
      const at = quiet + ((index + random.next()) * (ms - quiet)) / count;
      troubles.push({ at, kind, ...DETAILS[kind]({ ...random, lane, tab, server }) });
    }
  }
  return troubles.sort((one, other) => one.at - other.at);
}
