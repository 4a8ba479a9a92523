// What a server is asked over HTTP.
import { DEADLINE_MS, until } from "./until.mjs";

/** Asks whoever is at `url`, which may be another one each time. */
export class Api {
  #token;

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get socketUrl() {
    return `ws://127.0.0.1:${this.port}/v1/socket`;
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
    // A server that never answers is an error like any other, and whoever waits for something looks at its deadline.
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const answer = await fetch(this.url + path, { method, headers, body, signal });
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
