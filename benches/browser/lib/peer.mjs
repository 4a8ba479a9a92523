// A handle to a contestant's server, which runs in a process of its own.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../serve.mjs", import.meta.url));

/** Starts the server of a contestant; resolves when it can be connected to. */
export async function startPeer({ folder, config = {} }) {
  const child = fork(program, [folder, JSON.stringify(config)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const peer = new Peer(child);
  try {
    await peer.ready;
    return peer;
  } catch (error) {
    await peer.stop();
    throw error;
  }
}

class Peer {
  /** What its pages need to find it. */
  address;
  ready;
  #child;
  #ended;
  #waiting = new Map();
  #last = 0;

  constructor(child) {
    this.#child = child;
    this.#ended = once(child, "exit");
    this.ready = new Promise((resolve, reject) => {
      child.on("message", (message) => {
        if ("failed" in message) reject(new Error(message.failed));
        else if ("ready" in message) resolve(this.#take(message.ready));
        else this.#answer(message);
      });
      child.on("exit", () => {
        const gone = new Error("the contestant's server has ended");
        reject(gone);
        for (const { reject } of this.#waiting.values()) reject(gone);
      });
    });
  }

  /** Calls a method of the server. */
  call(method, ...args) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, method, args });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }

  #take(address) {
    this.address = address;
  }

  #answer({ id, result, error }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }
}
