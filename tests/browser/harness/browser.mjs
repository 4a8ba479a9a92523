// A real Chromium, and pages in it that apply a stream.
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../../../scripts/setup/chromium.mjs";
import { recordPage } from "./record.mjs";
import { until } from "./until.mjs";

/** What the browser itself says of broken connections, which these tests break on purpose. */
const NETWORK = /^(WebSocket connection to|Failed to load resource)/;

/** One browser for a test file, started with more arguments. Returns `newPage(t, options)`: each in a profile of its own. */
export function useChromium({ args = [] } = {}) {
  let browser;
  before(async () => {
    browser = await chromium.launch({ executablePath: findChromium(), args: [...chromiumArgs, ...args] });
  });
  after(() => browser?.close());
  return async function newPage(t, options) {
    const context = await browser.newContext(options);
    t.after(() => context.close());
    const page = await context.newPage();
    recordPage(page);
    return page;
  };
}

/** The same for the fixture page. Returns `open(t, site, config)`. */
export function useBrowser() {
  const newPage = useChromium();
  return async function open(t, site, config) {
    const page = new Page(await newPage(t), t);
    await page.load(`${site}/#${encodeURIComponent(JSON.stringify(config))}`);
    return page;
  };
}

/** A tab with the fixture page (`site/page.js`) in it. */
export class Page {
  #page;
  #t;
  #url;

  constructor(page, t) {
    this.#page = page;
    this.#t = t;
    page.on("pageerror", (error) => t.diagnostic(`page: ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !NETWORK.test(message.text())) t.diagnostic(`page: ${message.text()}`);
    });
  }

  async load(url) {
    this.#url = url;
    await this.#page.goto(url);
    await this.#page.waitForFunction(() => window.fixture);
  }

  /** Goes to another site in the same tab. */
  leave = () => this.#page.goto("about:blank");

  /** Comes back, as a new page life of the same tab. */
  comeBack = () => this.load(this.#url);

  async reload() {
    await this.#page.reload();
    await this.#page.waitForFunction(() => window.fixture);
  }

  /** Runs a function in the page, with one argument. */
  run = (body, argument) => this.#page.evaluate(body, argument);

  /** Waits until a function in the page returns something truthy, and returns that. */
  until = (what, body, argument, deadlineMs) => until(what, () => this.run(body, argument), deadlineMs);

  /** What the page has applied, in its order. */
  applied = () =>
    this.run(() => fixture.applied.map(({ seq, id, type, data, attempt }) => ({ seq, id, type, data, attempt })));

  untilApplied = (count) =>
    this.until(`${count} events applied`, (count) => fixture.applied.length >= count && fixture.applied.length, count);

  untilConnected = () => this.until("the page is connected", () => fixture.client.state === "connected");

  /** Duplicates this tab as browsers do: `window.open` of the same origin copies the sessionStorage. */
  async duplicate() {
    const [copy] = await Promise.all([
      this.#page.waitForEvent("popup"),
      this.run(() => void window.open(location.href)),
    ]);
    await copy.waitForFunction(() => window.fixture);
    return new Page(copy, this.#t);
  }

  close = () => this.#page.close();
}
