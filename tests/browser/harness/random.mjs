// Randomness that can be repeated: each test prints its seed, and ACKWIRE_SEED runs it again with the same one.
import { randomInt } from "node:crypto";

/** A generator (mulberry32) for this test: `next()` in [0, 1), `below(n)`, `chance(odds)`. */
export function seeded(t) {
  let state = Number(process.env.ACKWIRE_SEED ?? randomInt(2 ** 32)) >>> 0;
  t.diagnostic(`ACKWIRE_SEED=${state}`);
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (bound) => Math.floor(next() * bound), chance: (odds) => next() < odds };
}
