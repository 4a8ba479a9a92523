// An agent's back end: appends to one stream over HTTP, and repeats what nobody answered under the same ids.
import { generator } from "../harness/index.mjs";
import { digest } from "../site/digest.js";
import { POISON } from "./cast.mjs";

/** How long it waits for an answer before it asks again, in milliseconds. */
const PATIENCE_MS = 3_000;
/** How long it waits after a failure. */
const PAUSE_MS = 50;

export class Producer {
  /** Requests, and those of them that repeated one which was not answered. */
  requests = 0;
  repeats = 0;
  #name;
  #stream;
  #url;
  #ledger;
  #random;
  #next = 1;
  #stopped = false;

  /** Appends to `stream` at `url`, about `rate` events a second. */
  constructor({ name, stream, url, seed, rate }, ledger) {
    this.#name = name;
    this.#stream = stream;
    this.#url = url;
    this.#ledger = ledger;
    this.#random = generator(seed);
    this.rate = rate;
  }

  /** Until it is stopped. Resolves when everything that it has sent is answered. */
  async run() {
    while (!this.#stopped) {
      const events = Array.from({ length: this.#random.between(1, 6) }, () => this.#event());
      for (const { id, data } of events) this.#ledger.sending(this.#stream, id, digest(data));
      await this.#append(events);
      await elapse((events.length * 2_000 * this.#random.next()) / this.rate);
    }
  }

  stop() {
    this.#stopped = true;
  }

  #event() {
    const random = this.#random;
    const number = this.#next++;
    const text = `Schritt ${number} ✓ ${"…".repeat(random.chance(0.02) ? random.between(500, 2_000) : random.below(60))}`;
    return {
      id: `${this.#name}.${number}`,
      type: random.chance(0.003) ? POISON : random.pick(["agent_thinking", "tool_executing", "tool_completed"]),
      data: { number, text },
      priority: random.chance(0.05) ? "critical" : "normal",
    };
  }

  async #append(events) {
    for (let tries = 0; ; tries++) {
      this.requests += 1;
      if (tries > 0) this.repeats += 1;
      const answer = await this.#post(events);
      if (answer?.ok) {
        for (const { id, seq } of answer.body.events) this.#ledger.answered(this.#stream, id, seq);
        return;
      }
      if (answer && answer.status !== 503) {
        this.#ledger.violate("producer", `${this.#name}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return;
      }
      await elapse(PAUSE_MS);
    }
  }

  /** The answer; nothing if there was none, or only a part of one. */
  async #post(events) {
    try {
      const answer = await fetch(`${this.#url}/v1/streams/${encodeURIComponent(this.#stream)}/events`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      return { ok: answer.ok, status: answer.status, body: await answer.json() };
    } catch {
      return undefined;
    }
  }
}

const elapse = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
