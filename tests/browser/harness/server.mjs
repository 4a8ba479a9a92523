// The real server program, on a free port and a data folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Api } from "./api.mjs";
import { record } from "./record.mjs";

const PROGRAM =
  process.env.ACKWIRE_SERVER ?? fileURLToPath(new URL("../../../target/debug/ackwire-server", import.meta.url));

/** Starts a server that ends with the test. Without `args` it is in development mode, without `data` on a new log. */
export async function startServer(t, { args = ["--dev"], env = {}, data } = {}) {
  const folder = data ?? (await mkdtemp(join(tmpdir(), "ackwire-")));
  const server = new Server(folder, args, env);
  t.after(async () => {
    await server.kill();
    if (!data) await rm(folder, { recursive: true, force: true });
  });
  await server.start();
  return server;
}

export class Server extends Api {
  #process;
  #args;
  #env;
  #said = "";

  constructor(data, args, env) {
    super();
    this.data = data;
    this.port = 0;
    this.#args = args;
    this.#env = env;
  }

  /** Resolves once it listens; rejects with what it said if it ends instead. A second start takes the same port. */
  async start() {
    const flags = ["--port", String(this.port), "--data", this.data, ...this.#args];
    const env = { ACKWIRE_DRAIN: "200ms", ...process.env, ...this.#env };
    const child = spawn(PROGRAM, flags, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    this.#said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#said += text;
      record(text);
    });
    await new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const port = line.match(/^listening on http:\/\/[^ ]+:(\d+)/)?.[1];
        if (!port) return;
        this.port = Number(port);
        resolve();
      });
      child.once("error", reject);
      child.once("close", (code, signal) => reject(new Error(`the server ended (${code ?? signal}): ${this.#said}`)));
    });
  }

  /** Ends it with a signal and waits until it is gone. SIGKILL is the power cut, SIGTERM the polite stop. */
  async kill(signal = "SIGKILL") {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }

  /** The number of its process. */
  get pid() {
    return this.#process?.pid;
  }

  /** What it has written to its log output since its last start. */
  get said() {
    return this.#said;
  }
}
