// Reads the server's log again and again while it grows, and says whether the page holds the same.

import { readConsumers, readEvents, readStream } from "./api.js";
import { summary } from "./record.js";
import { judge } from "./verdict.js";

const EVERY_MS = 600;
const PAGE = 1000;

export class Audit {
  #stream;
  #record;
  #consumer;
  #isConnected;
  #report;
  #log = [];
  #epoch = null;
  #upto = 0;
  #timer = null;
  #started = false;
  #stopped = false;
  #waitingSince = performance.now();

  /**
   * @param {string} stream
   * @param {import("./record.js").PageRecord} record
   * @param {{consumer: () => string | null, isConnected: () => boolean, report: (verdict: object, tail?: object) => void}} page
   */
  constructor(stream, record, { consumer, isConnected, report }) {
    this.#stream = stream;
    this.#record = record;
    this.#consumer = consumer;
    this.#isConnected = isConnected;
    this.#report = report;
  }

  /** Begins, unless it has begun. */
  start() {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#round();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round() {
    let done = false;
    try {
      done = !document.hidden && (await this.#compare());
    } catch (error) {
      // The next round tries again.
      if (!this.#stopped) this.#report({ state: "behind", text: `Cannot compare now. ${error.message}`, checks: [] });
    }
    if (!this.#stopped && !done) this.#timer = setTimeout(() => this.#round(), EVERY_MS);
  }

  /** Whether nothing more can change: the stream has ended, and log and page agree. */
  async #compare() {
    const tail = await readStream(this.#stream);
    await this.#readOn(tail);
    const confirmed = this.#confirmedBy(await readConsumers(this.#stream));
    if (this.#stopped) return true;

    const { events: applied, lost, lastProgress } = this.#record;
    if (!this.#isConnected()) this.#waitingSince = performance.now();
    const waitedMs = performance.now() - Math.max(this.#waitingSince, lastProgress);
    const verdict = judge({ log: this.#log, tail, applied, lost, confirmed, waitedMs });
    this.#report(verdict, tail);
    return tail.ended && verdict.state === "agree";
  }

  async #readOn(tail) {
    if (this.#epoch !== tail.epoch) {
      this.#epoch = tail.epoch;
      this.#log = [];
      this.#upto = 0;
    }
    while (this.#upto < tail.head) {
      const page = await readEvents(this.#stream, this.#upto, PAGE);
      if (page.epoch !== this.#epoch || page.upto <= this.#upto) return;
      for (const event of page.events) {
        if (event.seq <= tail.head) this.#log.push(summary(event));
      }
      this.#upto = Math.min(page.upto, tail.head);
    }
  }

  #confirmedBy({ consumers }) {
    const own = consumers.find(({ consumer }) => consumer === this.#consumer());
    return own?.confirmed ?? null;
  }
}
