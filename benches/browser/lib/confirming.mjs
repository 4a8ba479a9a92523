// What a server of ours knows of confirmations: when the last of so many came.
import { now } from "./clock.mjs";

export class Confirmed {
  /** When each event was confirmed, by its number; kept only when asked for. */
  times;
  #count = 0;
  #goal = 0;
  #reached = () => {};

  /** Begins anew. `times` asks for the moment of each. */
  reset({ times = false } = {}) {
    this.#count = 0;
    this.times = times ? [] : undefined;
  }

  /** So many more events; of one stream alone those up to number `n`. */
  add(count = 1, n = undefined) {
    const at = now();
    for (let back = count - 1; this.times && n !== undefined && back >= 0; back--) this.times.push([n - back, at]);
    this.#count += count;
    if (this.#goal > 0 && this.#count >= this.#goal) this.#reached();
  }

  /** When so many were confirmed. */
  async reach(count) {
    if (this.#count < count) {
      await new Promise((resolve) => {
        this.#goal = count;
        this.#reached = resolve;
      });
    }
    this.#goal = 0;
    return now();
  }
}
