// One stream, watched: its events go into the timeline and the record; audit and probe compare with the server.

import { Audit } from "./audit.js";
import { LatencyProbe } from "./latency.js";
import { PageRecord } from "./record.js";
import { Seams } from "./seams.js";
import { Timeline } from "./timeline.js";

export class Watch {
  stream;
  timeline;
  record = new PageRecord();
  subscription;
  /** Where the log stands, as far as the server has said. */
  head = 0;
  ended = false;
  /** What was in the log when this page began to watch; reconnections do not change it. */
  #historyUpto = null;
  #seams;
  #audit;
  #probe;

  /**
   * @param {object} client the Ackwire client
   * @param {string} stream
   * @param {{list: HTMLElement, isConnected: () => boolean, applied: (event: object, isHistory: boolean) => void,
   *   failed: (error: Error) => void,
   *   verdict: (verdict: object) => void, latency: (samples: object[]) => void}} page
   */
  constructor(client, stream, page) {
    this.stream = stream;
    this.timeline = new Timeline(page.list);
    this.#seams = new Seams(stream);
    const consumer = () => client.consumer;
    this.#probe = new LatencyProbe(stream, { consumer, show: page.latency });
    this.#audit = new Audit(stream, this.record, {
      consumer,
      isConnected: page.isConnected,
      report: (verdict, tail) => {
        this.head = Math.max(this.head, tail?.head ?? 0);
        this.ended ||= tail?.ended ?? false;
        page.verdict(verdict);
      },
    });
    // From the start, so that a reloaded page shows the whole run again.
    this.subscription = client.subscribe(stream, { from: "start" });
    this.#listen(page);
    this.#probe.start();
  }

  #listen(page) {
    const run = this.subscription;
    // When this returns the event is in the document: that is what the confirmation says.
    run.handle("*", (event) => {
      this.timeline.apply(event, this.#seams.before(event.seq));
      this.record.add(event);
      const isHistory = event.seq <= this.#historyUpto;
      if (!isHistory) this.#probe.add(event);
      page.applied(event, isHistory);
    });
    run.on("subscribed", ({ head, replayedUpto }) => {
      this.head = Math.max(this.head, head);
      this.#historyUpto ??= replayedUpto;
      // A stream exists from its first subscription on.
      this.#audit.start();
    });
    run.on("failed", ({ event, error }) => page.failed(new Error(`Event ${event.seq} was not applied: ${error}`)));
    run.on("gap", ({ after }) => this.#seams.add(after, "gap"));
    run.on("lost", (range) => {
      this.record.lost.push(range);
      this.timeline.lost(range);
    });
    run.on("reset", () => {
      this.record.clear();
      this.timeline.reset();
    });
    run.on("ended", () => this.timeline.end());
  }

  /** The connection broke, or the page is about to be reloaded: what comes next was mended. */
  seam(kind) {
    if (!this.ended || this.record.last < this.head) this.#seams.add(this.record.last, kind);
    this.#seams.save();
  }

  stop() {
    this.#audit.stop();
    this.#probe.stop();
    this.subscription.unsubscribe();
  }
}
