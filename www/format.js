// Numbers and spans of time as people read them.

const whole = new Intl.NumberFormat("en");

/** 12345 → "12,345" */
export function number(value) {
  return whole.format(value);
}

/** "1 event", "1,200 events" */
export function counted(count, what) {
  return `${number(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** A value of an event as text, whatever it is: an object's `toString` may be a field of the event. */
export function text(value) {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
}

/** Milliseconds, as short as they can be said: "under 1 ms", "52 ms", "1.4 s", "2 min 5 s". */
export function span(ms) {
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "7" or "7–12" */
export function seqs(first, last) {
  return first === last ? String(first) : `${first}–${last}`;
}

/** "a", "a and b", "a, b and c" */
export function listed(items) {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}
