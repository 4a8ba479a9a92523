// nats-server with JetStream on disk, and a producer.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { wsconnect } from "@nats-io/nats-core";
import { WebSocket } from "ws";
import { until } from "../../../../tests/browser/harness/until.mjs";
import { Confirmed } from "../../lib/confirming.mjs";
import { placedEvent } from "../../lib/events.mjs";
import { produce } from "../../lib/producing.mjs";

const STREAM = "bench";
/** Publishes under way while a backlog is made. */
const BATCH = 500;

// The client looks for the browser's.
globalThis.WebSocket ??= WebSocket;

export async function start({ explicit = false }) {
  const folder = await mkdtemp(join(tmpdir(), "ackwire-bench-nats-"));
  const config = join(folder, "server.conf");
  await writeFile(
    config,
    `listen: "127.0.0.1:-1"
    websocket { listen: "127.0.0.1:-1", no_tls: true }
    jetstream { store_dir: "${join(folder, "store")}" }
    ports_file_dir: "${folder}"`,
  );
  const child = spawn("nats-server", ["--config", config], { stdio: "ignore" });
  const url = await until("nats-server's port", async () => {
    const file = (await readdir(folder)).find((name) => name.endsWith(".ports"));
    return JSON.parse(await readFile(join(folder, file), "utf8")).websocket[0];
  });
  const connection = await wsconnect({ servers: url });
  const server = new NatsServer({ child, folder, url, connection, explicit });
  await server.open();
  return server;
}

class NatsServer {
  #child;
  #folder;
  #connection;
  #explicit;
  #js;
  #manager;
  #confirmed = new Confirmed();
  #streams = [];
  #pages = 0;

  constructor({ child, folder, url, connection, explicit }) {
    this.#child = child;
    this.#folder = folder;
    this.#connection = connection;
    this.#explicit = explicit;
    this.#js = jetstream(connection);
    this.address = { url, explicit };
  }

  async open() {
    this.#manager = await jetstreamManager(this.#connection);
    // What the pages' acks say, as the server hears it: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…`
    this.#connection.subscribe("$JS.ACK.>", {
      callback: (_, message) => this.#confirmed.add(1, Number(message.subject.split(".")[5])),
    });
  }

  async prepare({ streams, count, bytes }) {
    this.#streams = streams;
    await this.#manager.streams.add({ name: STREAM, subjects: streams });
    const each = count / streams.length;
    for (const stream of streams) await this.append({ stream, from: 1, count: each, bytes });
  }

  /** Many at once. */
  async append({ stream, from, count, bytes }) {
    for (let n = from; n < from + count; n += BATCH) {
      const length = Math.min(BATCH, from + count - n);
      await Promise.all(Array.from({ length }, (_, index) => this.#publish(stream, placedEvent(n + index, bytes))));
    }
  }

  async guest(options) {
    this.#pages += 1;
    this.#confirmed.reset(options);
    if (!this.#explicit) return this.address;
    const consumer = (stream) => `page-${this.#pages}-${stream.replace(":", "-")}`;
    const consumers = Object.fromEntries(this.#streams.map((stream) => [stream, consumer(stream)]));
    for (const [stream, name] of Object.entries(consumers)) {
      const options = { durable_name: name, ack_policy: "explicit", filter_subject: stream };
      await this.#manager.consumers.add(STREAM, options);
    }
    return { ...this.address, consumers };
  }

  confirmed(count) {
    return this.#explicit ? this.#confirmed.reach(count) : undefined;
  }

  confirmedAt() {
    return this.#confirmed.times;
  }

  produce({ stream, bytes, ...plan }) {
    return produce(plan, (n, sent) => this.#publish(stream, placedEvent(n, bytes, sent)));
  }

  following() {
    const look = async () => (await this.#manager.streams.info(STREAM)).state.consumer_count > 0;
    return until("a consumer", look);
  }

  async stop() {
    await this.#connection.close();
    this.#child.kill();
    await once(this.#child, "exit");
    await rm(this.#folder, { recursive: true, force: true });
  }

  #publish(stream, event) {
    return this.#js.publish(stream, JSON.stringify(event));
  }
}
