// A network between a page and a server that breaks as networks do: the server hears of it first.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { now } from "./clock.mjs";

/** Starts one in front of a port; it ends with the scope. */
export async function startRelay(scope, port) {
  const relay = new Relay(port);
  await relay.listen();
  scope.after(() => relay.close());
  return relay;
}

class Relay {
  /** When a page connected last, by the clock of the pages. */
  connectedAt;
  #target;
  #listener;
  #links = new Set();

  constructor(port) {
    this.#target = port;
  }

  async listen() {
    this.#listener = createServer((page) => this.#join(page));
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  get port() {
    return this.#listener.address().port;
  }

  /** The server's side breaks; the page hears nothing any more, and does not know why. */
  async loseServer() {
    const ends = Array.from(this.#links, ({ page, server }) => {
      page.unpipe();
      server.unpipe();
      server.removeAllListeners("close");
      const closed = once(server, "close");
      server.resetAndDestroy();
      return closed;
    });
    await Promise.all(ends);
  }

  /** The page's side breaks as well; from now on it may connect anew. */
  losePage() {
    for (const { page } of this.#links) page.resetAndDestroy();
    this.#links.clear();
  }

  close() {
    this.#listener.close();
    for (const { page, server } of this.#links) {
      page.destroy();
      server.destroy();
    }
  }

  #join(page) {
    this.connectedAt = now();
    const server = connect({ port: this.#target, host: "127.0.0.1" });
    const link = { page, server };
    this.#links.add(link);
    for (const [from, to] of [
      [page, server],
      [server, page],
    ]) {
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
    }
    page.on("close", () => this.#links.delete(link));
  }
}
