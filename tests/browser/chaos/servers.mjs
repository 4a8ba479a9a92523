// The servers, each with one life after the other. One has a file; several share a Redis, and whoever connects comes to
// one of them in turn.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { Api } from "../harness/api.mjs";
import { Server } from "../harness/server.mjs";
import { SERVER_FLAGS } from "./cast.mjs";
import { residentBytes } from "./memory.mjs";

/** How long a restart may take before it counts as failed, in milliseconds. A full disk may hold it up. */
const RESTART_MS = 60_000;

export class Servers {
  /** Most memory that any life took, in bytes. */
  peakBytes = 0;
  /** Where proxies and whoever asks over HTTP find one of them: those that listen, in turn. */
  server = new Door(() => this.#turn());
  #servers;
  #up = new Set();
  #next = 0;
  #stopping = false;

  /** So many servers with their data in this folder; more than one need a Redis, in `log`. */
  constructor(folder, env, { count = 1, log } = {}) {
    const flags = [...SERVER_FLAGS, ...(log ? ["--log", log] : [])];
    this.#servers = Array.from({ length: count }, (_, index) => {
      const data = join(folder, String(index));
      mkdirSync(data);
      return new Server(data, flags, { RUST_LOG: "warn", ...env });
    });
  }

  get count() {
    return this.#servers.length;
  }

  /** Whether any of them listens. */
  get isUp() {
    return this.#up.size > 0;
  }

  start = () => Promise.all(this.#servers.map((server) => this.#start(server)));

  /**
   * Ends one with a signal, and begins a new life after that time. `isKnown`: nobody is sent there from now on; otherwise,
   * who is asked to go is found until it has gone.
   */
  async replace(index, signal, forMs, { isKnown = signal === "SIGKILL" } = {}) {
    const server = this.#servers[index];
    this.look();
    if (isKnown) this.#up.delete(server);
    await server.kill(signal);
    this.#up.delete(server);
    await elapse(forMs);
    const end = performance.now() + RESTART_MS;
    for (let failures = 0; !this.#stopping; failures++) {
      try {
        await this.#start(server);
        return failures > 0 ? { "starts refused": failures } : {};
      } catch (error) {
        if (performance.now() > end) throw error;
        await elapse(100);
      }
    }
  }

  /** It stands still for that time, as on a machine that swaps. */
  async hang(index, forMs) {
    const { pid } = this.#servers[index];
    process.kill(pid, "SIGSTOP");
    await elapse(forMs);
    process.kill(pid, "SIGCONT");
  }

  /** Whether it takes no events now, as on a full disk. */
  async isRefusing() {
    try {
      const { status } = await this.server.request("GET", "/health/ready");
      return status === 503;
    } catch {
      return false;
    }
  }

  /** Looks at their memory, all together. */
  look() {
    const bytes = this.#servers.reduce((sum, { pid }) => sum + (residentBytes(pid) ?? 0), 0);
    this.peakBytes = Math.max(this.peakBytes, bytes);
    return bytes;
  }

  async stop() {
    this.#stopping = true;
    await Promise.all(this.#servers.map((server) => server.kill()));
  }

  async #start(server) {
    // A port of its own each time: the old one may have been taken meanwhile.
    server.port = 0;
    await server.start();
    this.#up.add(server);
  }

  /** The next of those that listen; while none does, one that does not. */
  #turn() {
    const listening = this.isUp ? [...this.#up] : this.#servers;
    return listening[this.#next++ % listening.length];
  }
}

class Door extends Api {
  #turn;

  constructor(turn) {
    super();
    this.#turn = turn;
  }

  get port() {
    return this.#turn().port;
  }
}
