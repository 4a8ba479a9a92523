// aedes, a broker in Node, over WebSockets.
import { once } from "node:events";
import { createServer } from "node:http";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";
import { until } from "../../../../tests/browser/harness/until.mjs";
import { Confirmed } from "../../lib/confirming.mjs";
import { placedEvent } from "../../lib/events.mjs";
import { produce } from "../../lib/producing.mjs";

export async function start() {
  const broker = await Aedes.createBroker();
  const listener = createServer();
  const sockets = new WebSocketServer({ server: listener, handleProtocols: () => "mqtt" });
  sockets.on("connection", (socket, request) => broker.handle(createWebSocketStream(socket), request));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return new MqttServer(broker, listener);
}

class MqttServer {
  #broker;
  #listener;
  #confirmed = new Confirmed();
  #plan = { streams: [], count: 0, bytes: 0 };
  #pages = 0;
  #followed = new Set();

  constructor(broker, listener) {
    this.#broker = broker;
    this.#listener = listener;
    broker.on("subscribe", (subscriptions) => {
      for (const { topic } of subscriptions) {
        this.#followed.add(topic);
        this.#send(topic);
      }
    });
    broker.on("ack", (packet) => packet && this.#confirmed.add(1, JSON.parse(packet.payload).data.n));
  }

  get address() {
    return { url: `ws://127.0.0.1:${this.#listener.address().port}`, clientId: `page-${this.#pages}` };
  }

  prepare(plan) {
    this.#plan = plan;
  }

  guest(options) {
    this.#pages += 1;
    this.#confirmed.reset(options);
    return this.address;
  }

  confirmed(count) {
    return this.#confirmed.reach(count);
  }

  confirmedAt() {
    return this.#confirmed.times;
  }

  produce({ stream, bytes, ...plan }) {
    return produce(plan, (n, sent) => this.#publish(stream, placedEvent(n, bytes, sent)));
  }

  stop() {
    this.#broker.close();
    this.#listener.close();
  }

  /** While nobody is connected: kept for the client's session. */
  async append({ stream, from, count, bytes }) {
    for (let n = from; n < from + count; n++) await this.#publish(stream, placedEvent(n, bytes));
  }

  following(stream) {
    return until("a page that follows", () => this.#followed.has(stream));
  }

  async #send(topic) {
    const { streams, count, bytes } = this.#plan;
    // Each answer says that the subscriber's socket has taken it.
    for (let n = 1; n <= count / streams.length; n++) await this.#publish(topic, placedEvent(n, bytes));
  }

  #publish(topic, event) {
    const payload = JSON.stringify(event);
    return new Promise((resolve) => this.#broker.publish({ cmd: "publish", qos: 1, topic, payload }, resolve));
  }
}
