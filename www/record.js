// What the page has applied, in the order in which it did: the page's side of the verdict.

/** A short fingerprint of JSON data (FNV-1a over its text), enough to notice that an event is another. */
export function digest(data) {
  const text = JSON.stringify(data) ?? "";
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** What of an event is compared. */
export function summary({ seq, id, type, data }) {
  return { seq, id, type, digest: digest(data) };
}

/** The events of one stream that the page has applied. */
export class PageRecord {
  /** In the order of their application. */
  events = [];
  /** Ranges that were declared lost: { after, upto, reason }. */
  lost = [];
  /** When an event was applied last, by `performance.now()`. */
  lastProgress = performance.now();

  /** The seq that was applied last; 0 before the first. */
  get last() {
    return this.events.at(-1)?.seq ?? 0;
  }

  add(event) {
    this.events.push(summary(event));
    this.lastProgress = performance.now();
  }

  /** The log is another: what was applied belongs to none. */
  clear() {
    this.events = [];
    this.lost = [];
  }
}
