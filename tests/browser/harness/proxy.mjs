// A network between the page and the server that can be broken in the ways in which networks break.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { FrameFilter } from "./frames.mjs";

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
  #deaf = false;
  #chunkBytes = Number.POSITIVE_INFINITY;
  #filter;
  /** Connections that were made through it. */
  connections = 0;

  constructor(server) {
    this.#server = server;
  }

  async listen() {
    this.#listener = createServer((page) => this.#link(page));
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  get socketUrl() {
    return `ws://127.0.0.1:${this.#listener.address().port}/v1/socket`;
  }

  /** Breaks every connection at once, as a reset does; returns how many there were. */
  cut() {
    const links = [...this.#links];
    for (const link of links) link.break();
    return links.length;
  }

  /** From now on connections stay open and nothing comes through, as after a laptop's sleep. New ones are like that too. */
  goDeaf() {
    this.#deaf = true;
    for (const link of this.#links) link.deaf = true;
  }

  /** New connections work again. Those that went deaf never do. */
  recover() {
    this.#deaf = false;
  }

  /** Forwards no more than this many bytes at a time. */
  splitInto(bytes) {
    this.#chunkBytes = bytes;
  }

  /** Lets `filter(text) → [text…]` decide what becomes of each text frame of the server; `undefined` ends that. */
  filterFrames(filter) {
    this.#filter = filter;
  }

  close() {
    this.#listener.close();
    this.cut();
  }

  #link(page) {
    this.connections += 1;
    const server = connect(this.#server.port, "127.0.0.1");
    const link = {
      deaf: this.#deaf,
      break: () => {
        page.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    this.#links.add(link);
    const frames = new FrameFilter((text) => this.#filter?.(text) ?? [text]);
    this.#forward(link, page, server, (chunk) => chunk);
    this.#forward(link, server, page, (chunk) => frames.pass(chunk));
  }

  #forward(link, from, to, change) {
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      if (link.deaf) return;
      const bytes = change(chunk);
      const step = Math.min(this.#chunkBytes, bytes.length || 1);
      for (let at = 0; at < bytes.length; at += step) to.write(bytes.subarray(at, at + step));
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      // Whoever is deaf does not hear a goodbye either.
      if (!link.deaf) to.end();
      this.#links.delete(link);
    });
  }
}
