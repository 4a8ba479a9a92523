// What each kind of trouble does. Each resolves when it is over, to what to add to its counts; those that need something
// that this machine does not have are left out, with the reason.
import { until } from "../harness/index.mjs";

/** How long a trouble may wait for its chance: a connection to cut, say. */
const CHANCE_MS = 20_000;

/** By kind: `(world, details) → Promise<counts>`. */
export const TROUBLES = {
  cut: async ({ lanes, servers }, { lane, how }) => {
    const chosen = await until(
      "a connection to cut",
      () => servers.isUp && [...lanes.slice(lane), ...lanes].find(({ open }) => open > 0),
      CHANCE_MS,
    );
    return { [how === "end" ? "by goodbye" : "by reset"]: 1, connections: chosen.cut(how) };
  },

  kill: ({ servers }, { server, forMs }) => servers.replace(server, "SIGKILL", forMs),

  restart: ({ servers }, { server, forMs }) => servers.replace(server, "SIGTERM", forMs),

  hang: ({ servers }, { server, forMs }) => servers.hang(server, forMs),

  "Redis killed": async ({ redis, pause }, { forMs }) => {
    await redis.kill();
    await pause(forMs);
    await redis.start();
  },

  "Redis hangs": async ({ redis, pause }, { forMs }) => {
    redis.signal("SIGSTOP");
    await pause(forMs);
    redis.signal("SIGCONT");
  },

  stall: async ({ lanes, pause }, { lane, directions, forMs }) => {
    lanes[lane].stall(...directions);
    await pause(forMs);
    lanes[lane].resume();
    return { [directions.length > 1 ? "both ways" : "one way"]: 1 };
  },

  "half-open": async ({ lanes, pause }, { lane, forMs }) => {
    lanes[lane].goDeaf();
    await pause(forMs);
    lanes[lane].recover();
  },

  throttle: async ({ lanes, pause }, { lane, bytesPerSecond, forMs }) => {
    lanes[lane].throttle(bytesPerSecond);
    await pause(forMs);
    lanes[lane].throttle(Number.POSITIVE_INFINITY);
  },

  split: async ({ lanes, pause }, { lane, forMs }) => {
    lanes[lane].splitInto(1);
    await pause(forMs);
    lanes[lane].splitInto(Number.POSITIVE_INFINITY);
  },

  frames: async ({ lanes, pause, random }, { lane, forMs }) => {
    const counts = { dropped: 0, doubled: 0, swapped: 0 };
    lanes[lane].filterFrames(mangle(random, counts));
    await pause(forMs);
    lanes[lane].filterFrames(undefined);
    return counts;
  },

  reload: async ({ tabs }, { tab }) => {
    const reloading = tabs.filter(({ reloads }) => reloads);
    await reloading[tab % reloading.length].reload();
  },

  clock: async ({ clock, tabs }, { ms }) => {
    clock?.shift(ms);
    await Promise.all(tabs.map((tab) => tab.bendClock(ms)));
  },

  "full disk": async ({ disk, servers, pause }, { forMs }) => {
    await disk.fill();
    try {
      await pause(forMs);
      return (await servers.isRefusing()) ? { "appends refused": 1 } : {};
    } finally {
      await disk.free();
    }
  },
};

/** Loses, doubles and swaps messages, as proxies do that reconnect on their own. */
function mangle(random, counts) {
  let held;
  return (text) => {
    if (JSON.parse(text).type !== "events") return [text];
    const released = held ? [held] : [];
    held = undefined;
    const roll = random.next();
    if (roll < 0.15) {
      counts.dropped += 1;
      return released;
    }
    if (roll < 0.3) {
      counts.doubled += 1;
      return [text, ...released, text];
    }
    if (roll < 0.45 && released.length === 0) {
      counts.swapped += 1;
      held = text;
      return [];
    }
    return [text, ...released];
  };
}
