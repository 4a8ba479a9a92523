// socket.io's own server.
import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { until } from "../../../../tests/browser/harness/until.mjs";
import { Confirmed } from "../../lib/confirming.mjs";
import { placedEvent } from "../../lib/events.mjs";
import { produce } from "../../lib/producing.mjs";

/** Events that are handed over before it is asked whether the socket has taken them. */
const BURST = 256;

export async function start({ acks = false, recovery = false }) {
  const listener = createServer();
  const io = new Server(listener, {
    cors: { origin: "*" },
    transports: ["websocket"],
    ...(recovery && { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } }),
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return new SocketIoServer(io, listener, { acks, recovery });
}

class SocketIoServer {
  #io;
  #listener;
  #acks;
  #recovery;
  #confirmed = new Confirmed();
  #plan = { streams: [], count: 0, bytes: 0 };
  #socket;

  constructor(io, listener, { acks, recovery }) {
    this.#io = io;
    this.#listener = listener;
    this.#acks = acks;
    this.#recovery = recovery;
    this.address = { url: `http://127.0.0.1:${listener.address().port}` };
    io.on("connection", (socket) => {
      this.#socket = socket;
      socket.on("subscribe", (stream) => this.#subscribe(stream, socket));
    });
  }

  prepare(plan) {
    this.#plan = plan;
  }

  guest(options) {
    this.#confirmed.reset(options);
    return this.address;
  }

  confirmed(count) {
    return this.#acks ? this.#confirmed.reach(count) : undefined;
  }

  confirmedAt() {
    return this.#confirmed.times;
  }

  produce({ stream, bytes, ...plan }) {
    return produce(plan, (n, sent) => this.#emit(stream, placedEvent(n, bytes, sent), this.#socket));
  }

  /** While nobody is connected: kept for the session that will be taken up again. */
  append({ stream, from, count, bytes }) {
    for (let n = from; n < from + count; n++) this.#emit(stream, placedEvent(n, bytes), this.#socket);
  }

  following(stream) {
    return until("a page that follows", () => this.#socket?.rooms.has(stream));
  }

  stop() {
    this.#io.close();
    this.#listener.close();
  }

  async #subscribe(stream, socket) {
    socket.join(stream);
    const { streams, count, bytes } = this.#plan;
    for (let n = 1; n <= count / streams.length && socket.connected; n++) {
      this.#emit(stream, placedEvent(n, bytes), socket);
      if (n % BURST === 0 && socket.conn.writeBuffer.length > 0) await once(socket.conn, "drain");
    }
  }

  #emit(stream, event, socket) {
    // What is to be sent again after a cut has to go through the room.
    if (this.#recovery) this.#io.to(stream).emit("event", stream, event);
    else if (this.#acks) socket.emit("event", stream, event, () => this.#confirmed.add(1, event.data.n));
    else socket.emit("event", stream, event);
  }
}
