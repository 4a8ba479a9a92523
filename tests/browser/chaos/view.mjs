// What one tab did with one stream, over all its page lives.
import { POISON } from "./cast.mjs";

export class View {
  /** Events applied, each counted once. */
  applied = 0;
  /** Events applied once more by a later page life, which the promise allows where the page keeps no position. */
  again = 0;
  /** Handlers that failed. */
  failed = 0;
  /** Events that were declared lost because they failed for good, as poison does. */
  dead = new Set();
  /** Ranges declared lost for no reason that this view knows of. */
  lost = 0;
  /** The highest seq that was ever handed to a handler. */
  reached = 0;
  #accuse;
  #fails;
  #commits;
  /** seq → {id, digest}. */
  #done = new Map();
  /** Seqs of poison that a handler has failed on. */
  #poison = new Set();
  #life = 0;
  /** seq → how its handler stands in this page life. */
  #handed = new Map();
  #handedUpto = 0;
  #ids = new Map();
  /** Seqs that the log holds, as far as anybody was told; they may be far apart. */
  #expected = new Set();
  /** Those of them that the server does not count as settled yet. */
  #unsettled = new Set();

  constructor({ tab, stream, fails, commits }, accuse) {
    this.tab = tab;
    this.stream = stream;
    this.#fails = fails;
    this.#commits = commits;
    this.#accuse = accuse;
  }

  /** The next entry of the page's journal about this stream. */
  take(entry) {
    if (entry.life !== this.#life) this.#begin(entry.life);
    const act = { begun: this.#hand, applied: this.#apply, failed: this.#fail, lost: this.#lose }[entry.kind];
    if (act) act.call(this, entry);
    else this.#accuse(entry.kind, entry.message ?? "");
  }

  /** The log holds this event. */
  expect(seq) {
    if (this.#expected.has(seq)) return;
    this.#expected.add(seq);
    this.#unsettled.add(seq);
  }

  /** The server says that everything up to here is settled, and what the page did before that has been taken. */
  confirmed(position) {
    for (const seq of this.#unsettled) {
      if (seq > position) continue;
      this.#unsettled.delete(seq);
      if (!this.#done.has(seq) && !this.#mayDie(seq)) this.#accuse("confirmed", `${seq} counts, and was not applied`);
    }
  }

  /** Compares everything with the log. */
  close(log, digest) {
    const held = new Set();
    for (const { seq, id, data } of log) {
      held.add(seq);
      const done = this.#done.get(seq);
      if (!done && !this.dead.has(seq)) this.#accuse("missing", `${id} at ${seq}`);
      if (done && (done.id !== id || done.digest !== digest(data))) this.#accuse("log ≠ page", `${id} at ${seq}`);
    }
    for (const [seq, { id }] of this.#done) {
      if (!held.has(seq)) this.#accuse("log ≠ page", `applied ${id} at ${seq}, which the log does not hold`);
    }
  }

  #begin(life) {
    this.#life = life;
    this.#handed.clear();
    this.#ids.clear();
    this.#handedUpto = 0;
  }

  #hand({ seq, id, attempt }) {
    this.expect(seq);
    const before = this.#handed.get(seq);
    if (before === undefined) {
      if (seq <= this.#handedUpto) this.#accuse("order", `${id} at ${seq} after ${this.#handedUpto}`);
      if (this.#ids.has(id)) this.#accuse("repeated", `${id} at ${seq} and at ${this.#ids.get(id)}`);
      this.#ids.set(id, seq);
    } else if (before.how !== "failed" || attempt <= before.attempt) {
      this.#accuse("repeated", `${id} at ${seq}, attempt ${attempt}, when attempt ${before.attempt} had ${before.how}`);
    }
    this.#handed.set(seq, { how: "begun", attempt });
    this.#handedUpto = Math.max(this.#handedUpto, seq);
    this.reached = Math.max(this.reached, seq);
  }

  #apply(entry) {
    const { seq, id, attempt, digest } = entry;
    if (this.#handed.get(seq)?.how !== "begun") this.#hand(entry);
    this.#handed.set(seq, { how: "been applied", attempt });
    if (!this.#done.has(seq)) {
      this.#done.set(seq, { id, digest });
      this.applied += 1;
      return;
    }
    this.again += 1;
    if (this.#commits) this.#accuse("repeated", `${id} at ${seq}, in state that holds its position`);
  }

  #fail(entry) {
    if (!this.#fails) this.#accuse("handler", `${entry.id} at ${entry.seq} failed`);
    this.#hand(entry);
    this.#handed.set(entry.seq, { how: "failed", attempt: entry.attempt });
    if (entry.type === POISON) this.#poison.add(entry.seq);
    this.failed += 1;
  }

  #lose({ after, upto, reason }) {
    const inside = [...this.#expected].filter((seq) => after < seq && seq <= upto);
    const dead = reason === "failed" ? inside.filter(this.#mayDie) : [];
    for (const seq of dead) this.dead.add(seq);
    const lost = inside.filter((seq) => !dead.includes(seq));
    // Nobody knows what it was: that it is lost was said all the same.
    if (inside.length === 0) lost.push(`(${after}, ${upto}]`);
    this.lost += lost.length;
    for (const what of lost) this.#accuse("lost", `${what} (${reason})`);
  }

  #mayDie = (seq) => this.#poison.has(seq) && !this.#done.has(seq);
}
