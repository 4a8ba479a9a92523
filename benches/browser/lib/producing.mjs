// A producer at a steady rate.
import { now } from "./clock.mjs";

/** Calls `publish(n, sent)` for numbers from 1 at `rate` a second, for so many seconds; returns how many that were. */
export async function produce({ rate, seconds }, publish) {
  const begun = performance.now();
  const total = Math.round(rate * seconds);
  for (let n = 1; n <= total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) * rate) / 1000) + 1);
    for (; n <= due; n++) publish(n, now());
    if (n <= total) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return total;
}
