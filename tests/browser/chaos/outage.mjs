// For how long a page that should be connected applied nothing while events waited.

export class Outages {
  /** The longest so far: `{ms, tab, stream, from, upto}`, on the caller's clock. */
  longest = { ms: 0 };
  #since = new Map();

  /** Looks at a view: `head` is the newest event that a producer was told of. To be called every now and then. */
  look(now, view, head) {
    const { reached } = view;
    const before = this.#since.get(view);
    if (!before || before.reached !== reached || reached >= head) {
      if (before) this.#note(now, view, before);
      this.#since.set(view, { at: now, reached, waits: reached < head });
    } else {
      before.waits = true;
      this.#note(now, view, before);
    }
  }

  #note(now, { tab, stream }, { at, waits }) {
    const ms = now - at;
    if (waits && ms > this.longest.ms) this.longest = { ms, tab, stream, from: at, upto: now };
  }
}
