// A `ws` server that sends frames which it has made before.
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { Confirmed } from "../../lib/confirming.mjs";
import { placedEvent } from "../../lib/events.mjs";
import { produce } from "../../lib/producing.mjs";
import { sendAll } from "../../lib/pump.mjs";

export async function start({ perFrame = 1, dedupe, ackEvery }) {
  const listener = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(listener, "listening");
  const url = `ws://127.0.0.1:${listener.address().port}`;
  const server = new BareServer({ url, dedupe, ackEvery }, perFrame);
  listener.on("connection", (socket) => server.connected(socket));
  return server;
}

class BareServer {
  #confirms;
  #perFrame;
  #confirmed = new Confirmed();
  /** Made before: by stream, the frames that wait for who subscribes. */
  #frames = new Map();
  #subscribers = new Map();

  constructor(address, perFrame) {
    this.address = address;
    this.#confirms = address.dedupe;
    this.#perFrame = perFrame;
  }

  prepare({ streams, count, bytes }) {
    this.#frames = new Map(streams.map((stream) => [stream, this.#encode(stream, count / streams.length, bytes)]));
  }

  /** For the next page. */
  guest(options) {
    this.#confirmed.reset(options);
    this.#subscribers.clear();
    return this.address;
  }

  confirmed(count) {
    return this.#confirms ? this.#confirmed.reach(count) : undefined;
  }

  confirmedAt() {
    return this.#confirmed.times;
  }

  produce({ stream, bytes, ...plan }) {
    return produce(plan, (n, sent) => {
      const frame = { stream, events: [placedEvent(n, bytes, sent)], last: true };
      this.#subscribers.get(stream).send(JSON.stringify(frame));
    });
  }

  connected(socket) {
    socket.on("message", async (data) => {
      const { subscribe, ack, upto, count } = JSON.parse(data);
      if (ack) this.#confirmed.add(count, upto);
      if (!subscribe) return;
      this.#subscribers.set(subscribe, socket);
      await sendAll(socket, this.#frames.get(subscribe) ?? []);
    });
  }

  #encode(stream, count, bytes) {
    const frames = [];
    for (let first = 1; first <= count; first += this.#perFrame) {
      const length = Math.min(this.#perFrame, count - first + 1);
      const events = Array.from({ length }, (_, index) => placedEvent(first + index, bytes));
      const last = first + length > count || undefined;
      frames.push(JSON.stringify({ stream, after: first - 1, upto: first + length - 1, events, last }));
    }
    return frames;
  }
}
