// A network between the page and the server that can be broken in the ways in which networks break.
import { once } from "node:events";
import { createServer } from "node:net";
import { Link } from "./link.mjs";

/** Starts a proxy to a server; it ends with the test. */
export async function startProxy(t, server) {
  const proxy = new Relay(server);
  await proxy.listen();
  t.after(() => proxy.close());
  return proxy;
}

class Relay {
  #server;
  #listener;
  #links = new Set();
  /** What every connection goes through. The links read it each time they forward something. */
  #weather = {
    chunkBytes: Number.POSITIVE_INFINITY,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    filter: undefined,
    stalled: { up: false, down: false },
    holdsNext: false,
    deaf: false,
  };
  /** Connections that were made through it. */
  connections = 0;

  /** A server that comes back on another port is found there. */
  constructor(server) {
    this.#server = server;
  }

  async listen() {
    // A side that has said goodbye may still be spoken to: the links pass goodbyes on themselves.
    this.#listener = createServer({ allowHalfOpen: true }, (page) => this.#link(page));
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  get url() {
    return `http://127.0.0.1:${this.#listener.address().port}`;
  }

  get socketUrl() {
    return `ws://127.0.0.1:${this.#listener.address().port}/v1/socket`;
  }

  /** How many connections there are on which the server has answered. */
  get open() {
    return [...this.#links].filter((link) => link.isAnswered).length;
  }

  /**
   * Breaks every connection at once: with a reset, or (`"end"`) with a goodbye to both sides that neither has said.
   * Returns how many there were.
   */
  cut(how = "reset") {
    const links = [...this.#links];
    for (const link of links) how === "end" ? link.end() : link.reset();
    return links.length;
  }

  /** From now on connections stay open and nothing comes through, as after a laptop's sleep. New ones are like that too. */
  goDeaf() {
    this.#weather.deaf = true;
    for (const link of this.#links) link.goDeaf();
  }

  /** New connections work again. Those that went deaf never do. */
  recover() {
    this.#weather.deaf = false;
  }

  /** Holds everything back that goes `"up"` to the server, `"down"` to the page, or both ways; nothing is lost. */
  stall(...directions) {
    for (const direction of directions) this.#weather.stalled[direction] = true;
  }

  /** Holds back what a page says on the next connection once that is open, until `resume`; others flow. */
  holdNext() {
    this.#weather.holdsNext = true;
  }

  /** How many connections there are on which something is held back of what a page has said. */
  get holding() {
    return [...this.#links].filter((link) => link.isHolding).length;
  }

  /** How many connections there are. */
  get links() {
    return this.#links.size;
  }

  /** What was held back flows again. */
  resume() {
    this.#weather.stalled = { up: false, down: false };
    for (const link of this.#links) link.resume();
  }

  /** Forwards no more than this many bytes at a time, each as a segment of its own. */
  splitInto(bytes) {
    this.#weather.chunkBytes = bytes;
  }

  /** Forwards no more than this many bytes a second, each way and on each connection. */
  throttle(bytesPerSecond) {
    this.#weather.bytesPerSecond = bytesPerSecond;
  }

  /** Lets `filter(text) → [text…]` decide what becomes of each text frame of the server; `undefined` ends that. */
  filterFrames(filter) {
    this.#weather.filter = filter;
  }

  close() {
    this.#listener.close();
    this.cut();
  }

  #link(page) {
    this.connections += 1;
    const link = new Link(page, this.#server.port, this.#weather, () => this.#links.delete(link));
    this.#links.add(link);
  }
}
