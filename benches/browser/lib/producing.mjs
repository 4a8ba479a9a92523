// A producer at a steady rate.
import { now } from "./clock.mjs";

/**
 * Calls `publish(n, due)` for numbers from 1 at `rate` a second, for so many seconds. `due` is when the event was to go out:
 * if the producer is held up, that counts.
 */
export function produce(plan, publish) {
  return produceRuns(plan, (due) => {
    for (const [n, at] of due) publish(n, at);
  });
}

/** The same with all that is due at a time; the next ones wait until `publish([[n, due]…])` has settled. */
export async function produceRuns({ rate, seconds }, publish) {
  const begun = now();
  const total = Math.round(rate * seconds);
  for (let n = 1; n <= total; ) {
    const upto = Math.min(total, Math.floor(((now() - begun) * rate) / 1000) + 1);
    const due = Array.from({ length: Math.max(0, upto - n + 1) }, (_, index) => [
      n + index,
      begun + ((n + index - 1) * 1000) / rate,
    ]);
    if (due.length > 0) await publish(due);
    n += due.length;
    if (n <= total) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
