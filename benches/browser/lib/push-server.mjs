// What the servers of ours have in common: a WebSocket listener, and frames that were made before anybody came.
import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { until } from "../../../tests/browser/harness/until.mjs";
import { Confirmed } from "./confirming.mjs";
import { placedEvent } from "./events.mjs";
import { produce } from "./producing.mjs";
import { sendAll } from "./pump.mjs";

/**
 * Sends streams to whoever asks. A contestant says how: `frame(stream, events, isLast)` makes a message of events, and
 * `connected(socket, request)` speaks with a page and calls `subscribe`.
 */
export class PushServer {
  address;
  confirmations = new Confirmed();
  /** Whether its pages say what they have handled. */
  confirms = false;
  perFrame = 1;
  /** Everything that was published, for a page that resumes; a backlog is not. */
  kept = [];
  /** By stream: the messages of its backlog, and who follows it. */
  #frames = new Map();
  #followers = new Map();
  #listener;
  #deflates;

  /** `deflates`: it speaks permessage-deflate, as `ws` does when it is asked to. */
  constructor({ deflates = false } = {}) {
    this.#deflates = deflates;
  }

  /** Listens; `protocol` is the subprotocol that its pages ask for, `answer` handles other requests. */
  async listen({ path = "/", protocol, answer } = {}) {
    this.#listener = createServer(answer);
    const handleProtocols = protocol && (() => protocol);
    const sockets = new WebSocketServer({
      server: this.#listener,
      perMessageDeflate: this.#deflates,
      ...(handleProtocols && { handleProtocols }),
    });
    sockets.on("connection", (socket, request) => this.connected(socket, new URL(request.url, "ws://server")));
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
    this.address = { ...this.address, url: `ws://127.0.0.1:${this.#listener.address().port}${path}` };
    return this;
  }

  stop() {
    this.#listener.close();
    this.#listener.closeAllConnections();
  }

  prepare({ streams, count, bytes }) {
    const each = count / streams.length;
    this.#frames = new Map(streams.map((stream) => [stream, Array.from(this.#encode(stream, 1, each, bytes))]));
  }

  /** For the next page. */
  guest(options) {
    this.confirmations.reset(options);
    this.kept = [];
    this.#followers.clear();
    return this.address;
  }

  confirmed(count) {
    return this.confirms ? this.confirmations.reach(count) : undefined;
  }

  confirmedAt() {
    return this.confirmations.times;
  }

  /** Single events at a steady rate. */
  produce({ stream, bytes, ...plan }) {
    return produce(plan, (n, sent) => this.publish(stream, this.frame(stream, [placedEvent(n, bytes, sent)], true)));
  }

  /** While nobody is connected: kept for whoever comes back, see `kept`. */
  append({ stream, from, count, bytes }) {
    this.#followers.delete(stream);
    for (let n = from; n < from + count; n++) this.publish(stream, this.frame(stream, [placedEvent(n, bytes)], true));
  }

  /** Resolves once a page follows the stream. */
  following(stream) {
    return until("a page that follows", () => this.#followers.has(stream));
  }

  /** A page wants a stream: `send` gives it a message; what is there already goes out as fast as `socket` takes it. */
  async subscribe(stream, socket, send = (message) => socket.send(message)) {
    this.#followers.set(stream, send);
    await sendAll(socket, this.#frames.get(stream) ?? []);
  }

  /** A page is back, and has had so many of what was published. */
  resume(socket, had) {
    return sendAll(socket, this.kept.slice(had));
  }

  publish(stream, message) {
    this.kept.push(message);
    this.#followers.get(stream)?.(message);
  }

  *#encode(stream, from, upto, bytes) {
    for (let first = from; first <= upto; first += this.perFrame) {
      const length = Math.min(this.perFrame, upto - first + 1);
      const events = Array.from({ length }, (_, index) => placedEvent(first + index, bytes));
      yield this.frame(stream, events, first + length > upto);
    }
  }
}
