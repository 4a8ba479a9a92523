// The books: what producers sent and were answered, what each page says it did, what the log holds at the end. Whatever
// does not add up is a violation. Nothing here touches a network or a clock.
import { View } from "./view.mjs";

/** How many violations are kept word by word; more are only counted. */
const MOST_KEPT = 100;

export class Ledger {
  /** Rule → how often it was broken. */
  broken = {};
  /** The first of the violations, in words. */
  violations = [];
  /** Events that producers and pages were told are in the log. */
  in = 0;
  #streams = new Map();
  #views = new Map();

  /** A subscription of a tab. `fails`: its handler fails for good with poison. `commits`: it keeps its own position. */
  watch(tab, stream, { fails = false, commits = false } = {}) {
    const accuse = (rule, what) => this.violate(rule, `${tab}, ${stream}: ${what}`);
    const view = new View({ tab, stream, fails, commits }, accuse);
    this.#views.set(`${tab} ${stream}`, view);
    return view;
  }

  get views() {
    return [...this.#views.values()];
  }

  /** An event is about to be sent; from now on the log may hold it. */
  sending(stream, id, digest) {
    this.#stream(stream).sent.set(id, { digest, seq: undefined });
  }

  /** Its sender was told that the log holds it. */
  answered(stream, id, seq) {
    const books = this.#stream(stream);
    const entry = books.sent.get(id);
    if (!entry) return this.violate("answered", `${stream}: an answer about ${id}, which nobody sent`);
    if (entry.seq !== undefined && entry.seq !== seq) {
      this.violate("answered", `${stream}: ${id} is at ${entry.seq}, then at ${seq}`);
    }
    if (entry.seq === undefined) {
      this.in += 1;
      for (const view of this.views) if (view.stream === stream) view.expect(seq);
    }
    entry.seq = seq;
    books.head = Math.max(books.head, seq);
  }

  /** The highest seq that was ever answered. */
  head(stream) {
    return this.#stream(stream).head;
  }

  violate(rule, what) {
    this.broken[rule] = (this.broken[rule] ?? 0) + 1;
    if (this.violations.length < MOST_KEPT) this.violations.push(`${rule}: ${what}`);
  }

  /** Compares a stream's log with what was sent and answered, and with what every page applied. */
  close(stream, log, digest) {
    const { sent } = this.#stream(stream);
    const held = new Map();
    let last = 0;
    for (const { seq, id, data } of log) {
      if (seq <= last) this.violate("log", `${stream}: ${id} is at ${seq}, after ${last}`);
      if (held.has(id)) this.violate("log", `${stream}: ${id} is at ${held.get(id)} and at ${seq}`);
      const entry = sent.get(id);
      if (!entry) this.violate("log", `${stream}: holds ${id}, which nobody sent`);
      else if (entry.digest !== digest(data)) this.violate("log", `${stream}: ${id} is not what was sent`);
      held.set(id, seq);
      last = seq;
    }
    for (const [id, { seq }] of sent) {
      if (seq !== undefined && held.get(id) !== seq) {
        this.violate("durable", `${stream}: ${id} was answered with ${seq}, the log has it at ${held.get(id)}`);
      }
    }
    for (const view of this.views) {
      if (view.stream === stream) view.close(log, digest);
    }
  }

  #stream(name) {
    if (!this.#streams.has(name)) this.#streams.set(name, { sent: new Map(), head: 0 });
    return this.#streams.get(name);
  }
}
