// Randomness that can be repeated: each test prints its seed, and ACKWIRE_SEED runs it again with the same one.
import { randomInt } from "node:crypto";

/** A seed: the one in ACKWIRE_SEED, or a new one. */
export const anySeed = () => Number(process.env.ACKWIRE_SEED ?? randomInt(2 ** 32)) >>> 0;

/** The same for a test, and printed at once: diagnostics of a test that is broken off are not shown. */
export function printedSeed() {
  const seed = anySeed();
  console.log(`ACKWIRE_SEED=${seed}`);
  return seed;
}

/** A generator for this test. */
export const seeded = () => generator(printedSeed());

/** A generator (mulberry32): `next()` in [0, 1), `below(n)`, `between(least, bound)`, `chance(odds)`, `pick(list)`. */
export function generator(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound) => Math.floor(next() * bound);
  const between = (least, bound) => least + below(bound - least);
  return { next, below, between, chance: (odds) => next() < odds, pick: (list) => list[below(list.length)] };
}
