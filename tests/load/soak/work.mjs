// The work of a soak: runs that come and go, and what it samples once a minute.
import { availableParallelism } from "node:os";
import { until } from "../../browser/harness/index.mjs";
import { allocatedBytes, folderBytes, residentBytes } from "./memory.mjs";
import { Run } from "./runs.mjs";
import { fit } from "./series.mjs";

/** Runs at a time, and how long each lasts: a new one begins every half minute. */
export const RUNS = 4;
const RUN_MS = 120_000;
const TURN_MS = RUN_MS / RUNS;
/** How often events are appended. */
const TICK_MS = 100;
const SAMPLE_MS = 60_000;
/**
 * What must be full before growth means anything (windows, caches, retention, the positions that a page keeps of the last
 * 200 streams) is filled faster: for so long before the soak itself, at so many times its rate, with runs so many times
 * as short.
 */
export const WARM_UP_MINUTES = 16;
const WARM_UP_FACTOR = 8;
/** Fewer samples than this after the warm-up say nothing. */
export const MIN_SAMPLES = 8;

/** What is sampled, in bytes, by the name that the report has for it. */
export const SERIES = {
  server: "server's resident set",
  allocated: "server's allocated memory",
  heap: "page's JavaScript heap, collected",
  wasm: "page's WebAssembly memory",
  renderer: "renderer's resident set",
  disk: "server's database",
  wal: "SQLite's write-ahead log",
};

export const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(2);

/** A server, a page that is connected to it, and a rate in events a second. */
export class Soak {
  #server;
  #page;
  #rate;
  #begun = performance.now();
  #nextTurn = this.#begun;
  #runs = [];
  #started = 0;
  #ended = 0;
  #samples = [];
  #timers = [];
  #fail;

  constructor({ server, page }, rate) {
    this.#server = server;
    this.#page = page;
    this.#rate = rate;
  }

  /** Warms up, keeps the rate for so long, then lets the page come to the end of everything. */
  async work(minutes) {
    const failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#timers.push(setInterval(() => this.#tick(), TICK_MS));
    for (let sample = 0; sample <= WARM_UP_MINUTES + minutes; sample++) {
      await Promise.race([failed, delayUntil(this.#begun + sample * SAMPLE_MS)]);
      await Promise.race([failed, this.#sample()]);
    }
    this.stop();
    await Promise.all(this.#runs.splice(0).map((run) => this.#endRun(run)));
    await until("the page has applied everything", async () => (await this.#state()).applied >= this.#ended);
    await this.#sample();
  }

  /** Nothing new happens. */
  stop() {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  /** Until there are as many as there shall be they only begin; then one ends as the next begins. */
  async #turn() {
    await this.#beginRun();
    if (this.#runs.length > RUNS) await this.#endRun(this.#runs.shift());
  }

  async #beginRun() {
    this.#started += 1;
    const rate = this.#haste() * this.#rate;
    const run = new Run(this.#server, `run:${this.#started}`, rate / RUNS);
    await this.#page.run(`soak.follow(${JSON.stringify(run.stream)})`);
    this.#runs.push(run);
  }

  async #endRun(run) {
    await run.end();
    this.#ended += run.produced;
  }

  /** How many times faster than in the soak all goes now. The last fast run ends as the warm-up does. */
  #haste() {
    const isWarmingUp = performance.now() - this.#begun < WARM_UP_MINUTES * 60_000 - RUN_MS;
    return isWarmingUp ? WARM_UP_FACTOR : 1;
  }

  #tick() {
    if (performance.now() >= this.#nextTurn) {
      this.#nextTurn += TURN_MS / this.#haste();
      this.#turn().catch(this.#fail);
    }
    for (const run of this.#runs) run.tick().catch(this.#fail);
  }

  #state = () => this.#page.run("soak.report()");

  async #sample() {
    const heap = await this.#page.heap();
    const state = await this.#state();
    const { files, wal } = await folderBytes(this.#server.data);
    const sample = {
      at: (performance.now() - this.#begun) / 60_000,
      produced: this.#ended + this.#runs.reduce((sum, run) => sum + run.produced, 0),
      ...state,
      server: await residentBytes(this.#server.pid),
      allocated: await allocatedBytes(this.#server.pid),
      heap,
      renderer: await residentBytes(await this.#page.process()),
      disk: files,
      wal,
    };
    this.#samples.push(sample);
    const sizes = this.#series().map((name) => `${name} ${megabytes(sample[name])}`);
    console.log(`${sample.at.toFixed(1).padStart(6)} min  applied ${sample.applied}  ${sizes.join("  ")} MB`);
  }

  /** The names of what this system tells. */
  #series = () => Object.keys(SERIES).filter((name) => this.#samples[0][name] !== undefined);

  /** The report. `growth` is null if the samples are too few to tell. */
  summary(minutes) {
    const last = this.#samples.at(-1);
    const settled = this.#samples.slice(0, -1).filter(({ at }) => at >= WARM_UP_MINUTES - 0.01);
    const enough = settled.length >= MIN_SAMPLES;
    const points = (name) => settled.map((sample) => ({ at: sample.at, value: sample[name] }));
    return {
      minutes,
      rate: this.#rate,
      cpus: availableParallelism(),
      platform: `${process.platform} ${process.arch}`,
      runs: this.#started,
      warm_up_minutes: WARM_UP_MINUTES,
      produced: last.produced,
      page: Object.fromEntries(
        Object.keys(last)
          .filter((name) => !SERIES[name])
          .map((name) => [name, last[name]]),
      ),
      growth: enough ? Object.fromEntries(this.#series().map((name) => [name, fit(points(name))])) : null,
      samples: this.#samples,
    };
  }
}

const delayUntil = (at) => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
