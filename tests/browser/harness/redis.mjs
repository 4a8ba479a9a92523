// A real Redis, on a free port and with a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { which } from "../../../scripts/lib/run.mjs";

/** Whether there is one on this machine. */
export const hasRedis = () => which("redis-server") !== undefined;

/** Starts one that keeps everything; it ends with the test. */
export async function startRedis(t) {
  const folder = await mkdtemp(join(tmpdir(), "ackwire-redis-"));
  const redis = new Redis(folder, await freePort());
  t.after(async () => {
    await redis.kill();
    await rm(folder, { recursive: true, force: true });
  });
  await redis.start();
  return redis;
}

export class Redis {
  #process;
  #folder;
  #port;

  constructor(folder, port) {
    this.#folder = folder;
    this.#port = port;
  }

  get url() {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Resolves once it takes connections, with what it has kept. */
  async start() {
    const flags = {
      bind: "127.0.0.1",
      port: String(this.#port),
      dir: this.#folder,
      appendonly: "yes",
      appendfsync: "always",
      save: "",
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    this.#process = child;
    await new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line.includes("Ready to accept connections")) resolve();
      });
      child.once("error", reject);
      child.once("close", (code, signal) => reject(new Error(`redis-server ended (${code ?? signal})`)));
    });
  }

  /** Ends it at once, as a crash would. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  signal = (name) => this.#process.kill(name);
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
