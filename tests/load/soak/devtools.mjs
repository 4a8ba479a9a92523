// A Chromium driven by a bare DevTools connection, so that nothing is switched on that was not asked for: automation
// libraries enable the protocol's Network domain, which costs the page 30 µs a frame and keeps what it saw.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromiumArgs, findChromium } from "../../../scripts/setup/chromium.mjs";
import { until } from "../../browser/harness/index.mjs";

/** Starts a browser with one page; it ends with the test. Resolves once `ready`, an expression in the page, is truthy. */
export async function openPage(t, url, ready) {
  const profile = await mkdtemp(join(tmpdir(), "ackwire-chromium-"));
  // Commands and answers travel on descriptors 3 and 4; a browser that loses them ends.
  const args = [...chromiumArgs, "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"];
  const child = spawn(findChromium(), args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill();
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  });
  const browser = new DevTools(child.stdio[3], child.stdio[4]);
  const { targetId } = await browser.send("Target.createTarget", { url });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const page = new Page(browser, sessionId);
  await until(`${ready} in the page`, () => page.run(ready));
  return page;
}

class Page {
  #browser;
  #session;

  constructor(browser, session) {
    this.#browser = browser;
    this.#session = session;
  }

  /** What an expression in the page comes to, by value. */
  async run(expression) {
    const request = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#browser.send("Runtime.evaluate", request, this.#session);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** The JavaScript heap after a full collection, in bytes. */
  async heap() {
    await this.#browser.send("HeapProfiler.collectGarbage", {}, this.#session);
    const { usedSize } = await this.#browser.send("Runtime.getHeapUsage", {}, this.#session);
    return usedSize;
  }

  /** Samples where the main thread is, every so many microseconds; the function that this resolves to ends that, and resolves to the profile. */
  async profile(intervalUs = 100) {
    const send = (method, params) => this.#browser.send(`Profiler.${method}`, params, this.#session);
    await send("enable");
    await send("setSamplingInterval", { interval: intervalUs });
    await send("start");
    return async () => (await send("stop")).profile;
  }

  /** The process that runs the page: of the renderers, the one that has worked most. */
  async process() {
    return (await this.renderers())[0];
  }

  /** The processes that run pages, those first that have worked most; the browser has more than the one page's. */
  async renderers() {
    const { processInfo } = await this.#browser.send("SystemInfo.getProcessInfo");
    const renderers = processInfo.filter(({ type }) => type === "renderer");
    return renderers.sort((one, other) => other.cpuTime - one.cpuTime).map(({ id }) => id);
  }
}

/** Commands to a browser, each answered once. */
class DevTools {
  #input;
  #waiting = new Map();
  #last = 0;

  constructor(input, output) {
    this.#input = input;
    let held = "";
    output.setEncoding("utf8").on("data", (text) => {
      const messages = (held + text).split("\0");
      held = messages.pop();
      for (const message of messages) this.#take(JSON.parse(message));
    });
    output.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser has ended"));
    });
    // Its end is noticed on the other descriptor.
    input.on("error", () => {});
  }

  send(method, params = {}, sessionId) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #take({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
}
