// A page in a Chromium of its own, and what it costs.
import { readFile } from "node:fs/promises";
import { until } from "../../../tests/browser/harness/until.mjs";
import { openPage } from "../../../tests/load/soak/devtools.mjs";

/** How long anything in a page may take, in milliseconds, unless it is said otherwise. */
const PATIENCE_MS = 30_000;
/** How much a page works to be told from the browser's other processes: some 100 ms. */
const ROUNDS = 100_000_000;
/** How often, until it stands out. */
const MOST_TRIES = 50;

/** Opens a page of the site in a new browser, so that nothing is left over from another contestant. */
export async function openBench(scope, url) {
  const devtools = await openPage(scope, url, "Boolean(window.bench)");
  const page = new BenchPage(devtools);
  await page.find();
  return page;
}

class BenchPage {
  #devtools;
  #pid;

  constructor(devtools) {
    this.#devtools = devtools;
  }

  /**
   * Learns which process is the page's: the renderer that works while the page does. On a busy machine another one may be
   * starting up at the same time: the page works until it stands out.
   */
  async find() {
    const renderers = await this.#devtools.renderers();
    // One that has ended meanwhile is not ours.
    const look = () => Promise.all(renderers.map((pid) => mainThreadMs(pid).catch(() => 0)));
    const before = await look();
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      await this.call("work", ROUNDS);
      const grown = (await look()).map((ms, index) => [ms - before[index], renderers[index]]);
      const [[first, pid], [second] = [0]] = grown.sort(([one], [other]) => other - one);
      this.#pid = pid;
      if (first > 3 * second) return;
    }
    throw new Error("The page's process cannot be told from the browser's others: let the machine have less to do.");
  }

  /** Calls a method of the page's stage. */
  async call(method, argument, patienceMs = PATIENCE_MS) {
    const text = argument === undefined ? "" : JSON.stringify(argument);
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${method}: not within ${patienceMs} ms`)), patienceMs);
    });
    try {
      return await Promise.race([this.#devtools.run(`bench.${method}(${text})`), late]);
    } catch (error) {
      const progress = await this.#devtools.run("JSON.stringify(bench.progress?.())").catch(() => "unknown");
      throw new Error(`${error.message}; the page's progress: ${progress}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What is left in memory after a collection: JavaScript's heap, and WebAssembly's; in bytes. */
  async memory() {
    return (await this.#devtools.heap()) + (await this.call("wasmBytes"));
  }

  /** Waits until an expression in the page is true. */
  until = (expression) => until(expression, () => this.#devtools.run(expression));

  /** Records where the main thread's time goes, until the function that this returns is called; that returns the profile. */
  profile = () => this.#devtools.profile();

  /** How long its main thread was on a processor, in milliseconds. */
  mainThreadMs = () => mainThreadMs(this.#pid);
}

/** Of a process, from what the system counts: what DevTools' `ScriptDuration` misses is in here. */
async function mainThreadMs(pid) {
  const [nanoseconds] = (await readFile(`/proc/${pid}/task/${pid}/schedstat`, "utf8")).split(" ");
  return Number(nanoseconds) / 1e6;
}
