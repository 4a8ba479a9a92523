// The real server, and producers that append over HTTP.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "../../../../tests/browser/harness/server.mjs";
import { now } from "../../lib/clock.mjs";
import { makeEvent } from "../../lib/events.mjs";

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
    for (const stream of streams) await this.#append(stream, 1, count / streams.length, bytes);
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

  async stop() {
    await this.#server.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #confirmedOf(stream) {
    const { consumer } = this.address;
    const found = (await this.#server.consumers(stream)).find((view) => view.consumer === consumer);
    return found?.confirmed ?? 0;
  }

  async #append(stream, first, last, bytes) {
    for (let n = first; n <= last; n += BATCH) {
      const length = Math.min(BATCH, last - n + 1);
      await this.#server.post(
        stream,
        Array.from({ length }, (_, index) => makeEvent(n + index, bytes)),
      );
    }
  }
}
