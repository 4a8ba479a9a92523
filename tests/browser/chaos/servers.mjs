// The lives of the server: one after the other, on the same log.
import { setTimeout as elapse } from "node:timers/promises";
import { Server } from "../harness/server.mjs";
import { SERVER_FLAGS } from "./cast.mjs";
import { residentBytes } from "./memory.mjs";

/** How long a restart may take before it counts as failed, in milliseconds. A full disk may hold it up. */
const RESTART_MS = 60_000;

export class Servers {
  /** Whether it listens. */
  isUp = false;
  /** Most memory that any life took, in bytes. */
  peakBytes = 0;
  #server;
  #stopping = false;

  constructor(folder, env) {
    this.#server = new Server(folder, SERVER_FLAGS, { RUST_LOG: "warn", ...env });
  }

  /** Where the proxies find the port of the present life. */
  get server() {
    return this.#server;
  }

  async start() {
    // A port of its own each time: the old one may have been taken meanwhile.
    this.#server.port = 0;
    await this.#server.start();
    this.isUp = true;
  }

  /** Ends it with a signal, and begins a new life after that time. */
  async replace(signal, forMs) {
    this.look();
    this.isUp = false;
    await this.#server.kill(signal);
    await elapse(forMs);
    const end = performance.now() + RESTART_MS;
    for (let failures = 0; !this.#stopping; failures++) {
      try {
        await this.start();
        return failures > 0 ? { "starts refused": failures } : {};
      } catch (error) {
        if (performance.now() > end) throw error;
        await elapse(100);
      }
    }
  }

  /** It stands still for that time, as on a machine that swaps. */
  async hang(forMs) {
    const { pid } = this.#server;
    process.kill(pid, "SIGSTOP");
    await elapse(forMs);
    process.kill(pid, "SIGCONT");
  }

  /** Whether it takes no events now, as on a full disk. */
  async isRefusing() {
    try {
      const { status } = await this.#server.request("GET", "/health/ready");
      return status === 503;
    } catch {
      return false;
    }
  }

  /** Looks at its memory. */
  look() {
    const bytes = residentBytes(this.#server.pid) ?? 0;
    this.peakBytes = Math.max(this.peakBytes, bytes);
    return bytes;
  }

  async stop() {
    this.#stopping = true;
    await this.#server.kill();
  }
}
