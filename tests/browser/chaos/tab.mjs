// A tab of the browser with `site/chaos.html` in it, and the harness's end of its journal.
import { HASTE } from "./cast.mjs";

/** Counters of the client that are added up over a tab's page lives. */
const COUNTED = ["resends", "duplicates", "gaps", "repaired", "suppressed"];

export class Tab {
  /** The name under which the server knows it; known once it has been asked. */
  consumer;
  /** What its client counted, over all lives. */
  counted = Object.fromEntries(COUNTED.map((name) => [name, 0]));
  connections = 0;
  /** How its connection fared: `{at, text}`, as of when that was heard of. */
  states = [];
  #role;
  #ledger;
  #views;
  #page;
  #next = 0;
  #last = { life: 0, stats: undefined };
  #busy = Promise.resolve();
  #publishing;

  constructor(role, ledger) {
    this.#role = role;
    this.#ledger = ledger;
    this.#views = role.streams.map(({ name, handler }) =>
      ledger.watch(role.name, name, { fails: handler === "failing", commits: role.commits }),
    );
    this.#publishing = role.publishes;
  }

  get name() {
    return this.#role.name;
  }

  /** Whether its user reloads it. */
  get reloads() {
    return this.#role.reloads === true;
  }

  get views() {
    return this.#views;
  }

  async open(browser, site, socket) {
    const context = await browser.newContext();
    this.#page = await context.newPage();
    this.#page.on("pageerror", (error) => this.#ledger.violate("page", `${this.name}: ${error.stack ?? error}`));
    this.#page.on("crash", () => this.#ledger.violate("page", `${this.name}: the tab crashed`));
    const { streams, commits, publishes } = this.#role;
    const config = { socket, streams, commits, publishes, client: HASTE };
    await this.#page.goto(`${site}/chaos.html#${encodeURIComponent(JSON.stringify(config))}`);
    await this.#page.waitForFunction(() => window.fixture?.client.state === "connected");
    this.devtools = await context.newCDPSession(this.#page);
    await this.devtools.send("Performance.enable");
  }

  /** Takes what the page has noted since, and books it. */
  pull = () => this.#alone(() => this.#pull());

  reload = () =>
    this.#alone(async () => {
      await this.#page.reload();
      await this.#page.waitForFunction(() => window.fixture);
    });

  /** Lets the page's wall clock be off by so much. */
  bendClock = (ms) => this.#alone(() => this.#page.evaluate((ms) => fixture.bendClock(ms), ms));

  isConnected = () => this.#alone(() => this.#page.evaluate(() => fixture.client.state === "connected"));

  /** The page publishes nothing more; resolves when what it published is answered. Until then its journal is taken, too. */
  hush = () => this.#page.evaluate(() => fixture.hush());

  /** What the page holds, in bytes, once what it does not need is gone. */
  memory = () =>
    this.#alone(async () => {
      await this.devtools.send("HeapProfiler.collectGarbage");
      const { metrics } = await this.devtools.send("Performance.getMetrics");
      const heap = metrics.find(({ name }) => name === "JSHeapUsedSize").value;
      return { heap, wasm: await this.#page.evaluate(() => fixture.wasmBytes()) };
    });

  async #pull() {
    const { life, entries, consumer, stats } = await this.#page.evaluate((upto) => fixture.take(upto), this.#next);
    this.consumer = consumer ?? this.consumer;
    if (life !== this.#last.life) this.#last = { life, stats: undefined };
    this.#count(stats);
    for (const entry of entries) {
      this.#next = entry.n + 1;
      this.#book(entry);
    }
  }

  #book(entry) {
    const { kind, stream, id, seq, digest, message } = entry;
    if (kind === "state") this.states.push({ at: performance.now(), text: message });
    else if (kind === "publishing") this.#ledger.sending(this.#publishing, id, digest);
    else if (kind === "published") this.#ledger.answered(this.#publishing, id, seq);
    else if (stream !== undefined) this.#views[stream].take(entry);
    else this.#ledger.violate(kind, `${this.name}: ${message}`);
  }

  /** Adds what was counted since the last look at this page life. */
  #count(stats) {
    const before = this.#last.stats;
    const sum = (of, name) => of?.subscriptions.reduce((total, held) => total + held[name], 0) ?? 0;
    for (const name of COUNTED) this.counted[name] += sum(stats, name) - sum(before, name);
    this.connections += stats.connections - (before?.connections ?? 0);
    this.#last.stats = stats;
  }

  /** One thing after the other: nothing can be asked of a page that is being replaced. */
  #alone(work) {
    const done = this.#busy.then(work);
    this.#busy = done.catch(() => {});
    return done;
  }
}
