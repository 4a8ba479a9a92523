// Makes the planned troubles at their times, many at once, none twice in the same place.
import { TROUBLES } from "./troubles.mjs";

/** Troubles of one place, a server or the Redis, although their kinds differ. */
const OF_A_SERVER = ["kill", "restart", "hang"];
const OF_REDIS = ["Redis killed", "Redis hangs"];

export class Conductor {
  /** kind → {made, …counts}. */
  counts = {};
  /** Every trouble that was made: `{kind, lane, from, upto}`, on the clock of `now`. */
  history = [];
  #world;
  #now;
  #queues = new Map();

  constructor(world, now) {
    this.#world = world;
    this.#now = now;
  }

  /** Plays the plan; resolves when the last trouble is over, or those that are under way when `signal` aborts. */
  async play(troubles, signal) {
    const begun = this.#now();
    const over = [];
    for (const trouble of troubles) {
      await this.#world.pause(begun + trouble.at - this.#now());
      if (signal.aborted) break;
      over.push(this.#queue(trouble, signal));
    }
    await Promise.all(over);
  }

  /** What is under way now. */
  get active() {
    return this.history.filter(({ upto }) => upto === undefined).map(({ kind }) => kind);
  }

  /** What was under way at some moment of that time, and concerned this lane. */
  during(from, upto, lane) {
    return this.history.filter(
      (trouble) =>
        trouble.from <= upto && (trouble.upto ?? upto) >= from && (trouble.lane === undefined || trouble.lane === lane),
    );
  }

  /** Behind the one that is under way in the same place. */
  #queue(trouble, signal) {
    const place = placeOf(trouble);
    const turn = (this.#queues.get(place) ?? Promise.resolve()).then(() => !signal.aborted && this.#make(trouble));
    this.#queues.set(place, turn);
    return turn;
  }

  async #make(trouble) {
    const { kind, lane } = trouble;
    const entry = { kind, lane, from: this.#now(), upto: undefined };
    this.history.push(entry);
    const counts = (await TROUBLES[kind](this.#world, trouble)) ?? {};
    entry.upto = this.#now();
    const sums = this.counts[kind] ?? {};
    for (const [name, count] of Object.entries({ made: 1, ...counts })) sums[name] = (sums[name] ?? 0) + count;
    this.counts[kind] = sums;
  }
}

function placeOf({ kind, lane = "", server }) {
  if (OF_A_SERVER.includes(kind)) return `server ${server}`;
  if (OF_REDIS.includes(kind)) return "Redis";
  return kind === "cut" ? kind : `${kind} ${lane}`;
}
