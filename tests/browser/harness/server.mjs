// The real server program, on a free port and a data folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { record } from "./record.mjs";
import { until } from "./until.mjs";

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

export class Server {
  #process;
  #args;
  #env;
  #token;
  #said = "";

  constructor(data, args, env) {
    this.data = data;
    this.port = 0;
    this.#args = args;
    this.#env = env;
  }

  /** Resolves once it listens; rejects with what it said if it ends instead. A second start takes the same port. */
  async start() {
    const flags = ["--port", String(this.port), "--data", this.data, "--drain", "200ms", ...this.#args];
    const child = spawn(PROGRAM, flags, { env: { ...process.env, ...this.#env }, stdio: ["ignore", "pipe", "pipe"] });
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

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get socketUrl() {
    return `ws://127.0.0.1:${this.port}/v1/socket`;
  }

  /** What it has written to its log output since its last start. */
  get said() {
    return this.#said;
  }

  /** With this token it is asked over HTTP from now on. */
  authorize(token) {
    this.#token = token;
  }

  /** One HTTP request; resolves to the status and the parsed body. */
  async request(method, path, { body, contentType = "application/json" } = {}) {
    const headers = {
      ...(body && { "content-type": contentType }),
      ...(this.#token && { authorization: `Bearer ${this.#token}` }),
    };
    const answer = await fetch(this.url + path, { method, headers, body });
    const text = await answer.text();
    return { status: answer.status, body: text && JSON.parse(text) };
  }

  /** The same, where anything but success is an error. */
  async get(path) {
    const { status, body } = await this.request("GET", path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Appends one event, or all of an array. */
  async post(stream, events) {
    const path = `${streamPath(stream)}/events`;
    const { status, body } = await this.request("POST", path, { body: JSON.stringify(events) });
    if (status !== 200 && status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The same as a producer that does not give up: again, with the same ids, until it is answered. */
  postUntilAnswered(stream, events) {
    return until(`an answer to a POST to ${stream}`, () => this.post(stream, events));
  }

  /** Every event that the log holds, oldest first. */
  async log(stream) {
    const events = [];
    for (let after = 0; ; ) {
      const page = await this.get(`${streamPath(stream)}/events?after=${after}&limit=500`);
      events.push(...page.events);
      if (page.upto >= page.head) return events;
      after = page.upto;
    }
  }

  head = async (stream) => (await this.get(streamPath(stream))).head;

  consumers = async (stream) => (await this.get(`${streamPath(stream)}/consumers`)).consumers;

  /** What became of one event, for each consumer. */
  deliveries = async (stream, id) =>
    (await this.get(`${streamPath(stream)}/events/${encodeURIComponent(id)}`)).deliveries;
}

const streamPath = (stream) => `/v1/streams/${encodeURIComponent(stream)}`;
