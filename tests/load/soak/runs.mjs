// Agents at work, at a steady rate: each run has its stream, its events are numbered, and it ends.

/** Most events of one request: a producer that fell behind catches up in parts. */
const MAX_BATCH = 100;

/** One run. `rate` is its events in a second. */
export class Run {
  #server;
  #rate;
  #begun = performance.now();
  #posting = Promise.resolve();
  #isPosting = false;
  /** Events that the server has answered. */
  produced = 0;

  constructor(server, name, rate) {
    this.#server = server;
    this.#rate = rate;
    this.stream = name;
  }

  /** Appends what is due by now, unless the last request is still under way. Rejects if that fails for good. */
  async tick() {
    if (this.#isPosting) return;
    const due = Math.floor(((performance.now() - this.#begun) / 1000) * this.#rate);
    const upto = Math.min(due, this.produced + MAX_BATCH);
    if (upto > this.produced) await this.#post(upto);
  }

  /** Ends the run and its stream, once everything before is answered. */
  async end() {
    await this.#posting;
    const last = event(this.stream, this.produced + 1, "agent_completed");
    await this.#server.postUntilAnswered(this.stream, [last]);
    this.produced += 1;
    const path = `/v1/streams/${encodeURIComponent(this.stream)}/end`;
    const { status, body } = await this.#server.request("POST", path);
    if (status !== 200) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
  }

  async #post(upto) {
    const events = [];
    for (let number = this.produced + 1; number <= upto; number++) events.push(event(this.stream, number));
    this.#isPosting = true;
    this.#posting = this.#server.postUntilAnswered(this.stream, events).then(() => {
      this.produced = upto;
      this.#isPosting = false;
    });
    await this.#posting;
  }
}

/** A run begins, then thinks and uses tools in turn. */
function event(stream, number, type = number === 1 ? "agent_started" : TYPES[number % TYPES.length]) {
  return {
    id: `e-${number}`,
    type,
    data: { number, tool: "search", text: `Step ${number}: `.padEnd(160, "looking around ") },
    meta: { run_id: stream },
  };
}

const TYPES = ["agent_thinking", "tool_executing", "tool_completed", "agent_thinking"];
