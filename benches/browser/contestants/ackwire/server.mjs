// The real server, and producers that append over HTTP.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "../../../../tests/browser/harness/server.mjs";
import { until } from "../../../../tests/browser/harness/until.mjs";
import { now } from "../../lib/clock.mjs";
import { makeEvent } from "../../lib/events.mjs";
import { produceRuns } from "../../lib/producing.mjs";

/** Events whose confirmation is waited for over HTTP. */
const WATCHED_PER_SECOND = 50;
/** Events of one append while a backlog is made. */
const BATCH = 500;

export async function start({ log, window }) {
  const folder = await mkdtemp(join(tmpdir(), "ackwire-bench-"));
  const server = new Server(folder, ["--dev", "--log", log], { RUST_LOG: "warn" });
  await server.start();
  return new AckwireServer(server, folder, window);
}

class AckwireServer {
  #server;
  #folder;
  #window;
  #consumers = 0;
  #streams = [];
  #confirmedAt = [];

  constructor(server, folder, window) {
    this.#server = server;
    this.#folder = folder;
    this.#window = window;
  }

  get address() {
    const consumer = `page-${this.#consumers}`;
    return { url: this.#server.socketUrl, consumer, window: this.#window };
  }

  async prepare({ streams, count, bytes }) {
    this.#streams = streams;
    const each = count / streams.length;
    for (const stream of streams) await this.append({ stream, from: 1, count: each, bytes });
  }

  /** Many at once. */
  async append({ stream, from, count, bytes }) {
    for (let n = from; n < from + count; n += BATCH) {
      const length = Math.min(BATCH, from + count - n);
      await this.#server.post(
        stream,
        Array.from({ length }, (_, index) => makeEvent(n + index, bytes)),
      );
    }
  }

  guest() {
    this.#consumers += 1;
    return this.address;
  }

  /** Asks the server, as a producer would. */
  async confirmed(count) {
    for (;;) {
      const counts = await Promise.all(this.#streams.map((stream) => this.#confirmedOf(stream)));
      if (counts.reduce((sum, confirmed) => sum + confirmed, 0) >= count) return now();
    }
  }

  /**
   * One append at a time, with all that is due then: that keeps the order, as a producer does. Who wants to know whether
   * an event was handled asks the server to answer when it is; so do we, for some events of each second.
   */
  async produce({ stream, bytes, ...plan }) {
    this.#confirmedAt = [];
    const each = Math.ceil(plan.rate / WATCHED_PER_SECOND);
    const watches = [];
    await produceRuns(plan, async (due) => {
      const events = due.map(([n, sent]) => makeEvent(n, bytes, sent));
      await this.#server.post(stream, events);
      for (const [index, [n]] of due.entries()) {
        if (n % each === 0) watches.push(this.#watch(stream, n, events[index].id));
      }
    });
    await Promise.all(watches);
  }

  confirmedAt() {
    return this.#confirmedAt;
  }

  following(stream) {
    const { consumer } = this.address;
    const look = async () => (await this.#server.consumers(stream)).some((view) => view.consumer === consumer);
    return until("a page that follows", look);
  }

  async stop() {
    await this.#server.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #watch(stream, n, id) {
    const path = `/v1/streams/${encodeURIComponent(stream)}/events/${id}?wait=confirmed&timeout_ms=30000`;
    const { waited } = await this.#server.get(path);
    if (waited.outcome === "confirmed") this.#confirmedAt.push([n, now()]);
  }

  async #confirmedOf(stream) {
    const { consumer } = this.address;
    const found = (await this.#server.consumers(stream)).find((view) => view.consumer === consumer);
    return found?.confirmed ?? 0;
  }
}
