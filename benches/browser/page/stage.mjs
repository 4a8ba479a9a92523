import { keepMemories, wasmBytes } from "../../../tests/browser/site/memories.js";
import { Ledger } from "./ledger.mjs";
import { Smoothness } from "./smoothness.mjs";
import { sent } from "./traffic.mjs";
import { warm } from "./warm.mjs";

keepMemories();

/** Milliseconds since 1970, finer than `Date.now`. */
const now = () => performance.timeOrigin + performance.now();

/** When the next object of a class is made. */
function firstMade(holder, name) {
  const Class = holder[name];
  return new Promise((resolve) => {
    holder[name] = class extends Class {
      constructor(...given) {
        super(...given);
        holder[name] = Class;
        resolve(now());
      }
    };
  });
}

/** What the runner drives: connects, receives what a workload asks for, and says how it went. */
export class Stage {
  #contestant;
  #client;
  #run;

  constructor(contestant) {
    this.#contestant = contestant;
  }

  /** Keeps the main thread at it, so that the runner can tell this page's process from the others. */
  work(rounds) {
    let sum = 0;
    for (let round = 0; round < rounds; round++) sum += Math.sqrt(round);
    return sum > 0;
  }

  /** Connects; receives nothing yet. */
  async open(address) {
    this.#client = await this.#contestant.connect(address);
  }

  /** How long it takes from the fetched WebAssembly until it is there, and until a client opens its socket; in milliseconds. */
  async ready(address) {
    const wasm = new Response(await (await fetch("/pkg/ackwire_bg.wasm")).arrayBuffer());
    const instantiated = firstMade(WebAssembly, "Instance");
    const opened = firstMade(globalThis, "WebSocket");
    const since = now();
    this.#client = await this.#contestant.connect({ ...address, wasm });
    return { engineMs: (await instantiated) - since, socketMs: (await opened) - since };
  }

  /** See `warm.mjs`. */
  warm = ({ address, work }) => warm(this.#contestant, address, work);

  /**
   * Subscribes to streams, and expects `count` events of them together. `times` asks for the moment of each event, or of
   * those with the numbers in it, `smoothness` for what the page's user would notice meanwhile. See `received`.
   */
  start({ streams, count, times = false, smoothness = false }) {
    const run = { ledgers: [], count: 0, firstAt: 0, lastAt: 0, handledAt: times ? [] : undefined };
    const isWanted = Array.isArray(times) ? new Set(times) : { has: () => true };
    this.#run = run;
    run.before = { ...sent };
    run.smoothness = smoothness ? new Smoothness() : undefined;
    run.done = new Promise((resolve) => {
      const onEvent = (n, { sent }) => {
        if (run.count === 0) run.firstAt = now();
        if (run.handledAt && isWanted.has(n)) run.handledAt.push([n, now(), sent]);
        run.count += 1;
        if (run.count === run.warm?.count) run.warm.resolve();
        if (run.count === count) {
          run.lastAt = now();
          resolve();
        }
      };
      run.ledgers = streams.map(() => new Ledger(onEvent));
    });
    run.startedAt = now();
    this.#client.subscribe(streams.map((stream, index) => [stream, run.ledgers[index].take]));
  }

  /** Resolves when so many events were handled. */
  handled(count) {
    const run = this.#run;
    return new Promise((resolve) => {
      run.warm = { count, resolve };
    });
  }

  /** Resolves when every event was handled, and every confirmation sent that the contestant gives. */
  async received() {
    const run = this.#run;
    await run.done;
    await this.#client.flush?.();
    return {
      ...this.progress(),
      startedAt: run.startedAt,
      firstAt: run.firstAt,
      lastAt: run.lastAt,
      bytesUp: sent.bytes - run.before.bytes,
      messagesUp: sent.messages - run.before.messages,
      handledAt: run.handledAt,
      smoothness: run.smoothness?.stop(),
    };
  }

  /** How far it is, for a runner that has waited too long. */
  progress() {
    const { ledgers, count } = this.#run;
    return {
      count,
      wrong: ledgers.find(({ wrong }) => wrong)?.wrong,
      meanLength: ledgers.reduce((sum, { meanLength }) => sum + meanLength, 0) / ledgers.length,
    };
  }

  /** Memory that WebAssembly holds, in bytes. */
  wasmBytes = wasmBytes;
}
