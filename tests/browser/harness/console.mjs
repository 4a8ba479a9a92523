// The demo page, driven as a person would: by its labels, and by what it says.
import { fileURLToPath } from "node:url";
import { useChromium } from "./browser.mjs";
import { startServer } from "./server.mjs";
import { until } from "./until.mjs";

const folder = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/**
 * One browser for a test file. Returns `open(t, options)`: a server of its own, with the demo page open in a tab.
 * `watch(page)` is called before the page is loaded; what it returns are complaints, too.
 */
export function useConsole() {
  const newPage = useChromium();
  return async function open(t, { watch, ...options } = {}) {
    const server = await startServer(t, { args: ["--dev", "--www", folder("www"), "--pkg", folder("dist")] });
    const page = await newPage(t, { reducedMotion: "reduce", ...options });
    const complaints = (await watch?.(page)) ?? [];
    page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    const console = new Console(page, server, complaints);
    await console.goto("");
    return console;
  };
}

export class Console {
  constructor(page, server, complaints) {
    this.page = page;
    this.server = server;
    /** Uncaught errors, and what the browser itself complained of, such as a broken content security policy. */
    this.complaints = complaints;
  }

  async goto(stream) {
    await this.page.goto(`${this.server.url}/${stream && `#${encodeURIComponent(stream)}`}`);
    await this.connected();
  }

  connected = () => this.page.getByText("Connected", { exact: true }).waitFor();

  /** Starts a run and returns the name of its stream. */
  async start({ pace = "brisk", length = "short", term = "" } = {}) {
    await this.page.getByLabel("Look for").fill(term);
    await this.page.getByLabel("Pace").selectOption(pace);
    await this.page.getByLabel("Length").selectOption(length);
    await this.page.getByRole("button", { name: "Start a run" }).click();
    return until("the run's stream", async () => decodeURIComponent(new URL(this.page.url()).hash.slice(1)));
  }

  /** Flips a switch, and waits until the server has taken it. */
  async flip(label) {
    const taken = this.page.waitForResponse((answer) => answer.url().includes("/v1/dev/"));
    await this.page.getByLabel(label).click();
    await taken;
  }

  /** Waits for the verdict to say this. */
  async untilVerdict(pattern, deadlineMs) {
    return until(`the verdict ${pattern}`, async () => pattern.test(await this.verdict()), deadlineMs).catch(
      async (error) => {
        throw new Error(`${error.message}; it is: ${await this.verdict()}`, { cause: error });
      },
    );
  }

  verdict = () => this.page.locator("#verdict-text").innerText();

  /** A counter of the panel “Repairs”. */
  async counter(name) {
    const row = this.page.locator("#counters > div", { hasText: name });
    return Number((await row.locator("dd").innerText()).replaceAll(",", ""));
  }
}
