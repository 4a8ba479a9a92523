// The switches that make trouble. What they set lies in the server, so a reload finds it again; the restarts are this
// tab's own.

import { cut, readTrouble, setTrouble } from "./api.js";
import { byId } from "./dom.js";

const ODDS = 0.2;
const KINDS = ["drop", "duplicate", "reorder"];
const RESTART_EVERY_MS = 1000;
const RESTART_KEY = "ackwire-console:restart";

export class TroublePanel {
  #consumer;
  #report;
  #restarting = null;

  /**
   * @param {{consumer: () => string | null, report: (error: Error | null) => void}} page
   */
  constructor({ consumer, report }) {
    this.#consumer = consumer;
    this.#report = report;
    for (const kind of KINDS) byId(kind).addEventListener("change", () => this.#set());
    byId("restart").addEventListener("change", (event) => this.#restart(event.target.checked));
    byId("cut").addEventListener("click", () => this.#try(() => cut(this.#consumer())));
    byId("reload").addEventListener("click", () => location.reload());
  }

  /** Once the consumer is known: shows what is set for it, and goes on with what a reload interrupted. */
  async restore() {
    await this.#try(async () => {
      const odds = await readTrouble(this.#consumer());
      for (const kind of KINDS) byId(kind).checked = odds[kind] > 0;
    });
    byId("restart").checked = stored() === "on";
    this.#restart(byId("restart").checked);
  }

  #set() {
    const odds = Object.fromEntries(KINDS.map((kind) => [kind, byId(kind).checked ? ODDS : 0]));
    return this.#try(() => setTrouble(this.#consumer(), odds));
  }

  #restart(on) {
    clearInterval(this.#restarting);
    if (on) this.#restarting = setInterval(() => this.#try(() => cut(this.#consumer())), RESTART_EVERY_MS);
    try {
      sessionStorage.setItem(RESTART_KEY, on ? "on" : "off");
    } catch {
      // Without storage a reload ends the restarts.
    }
  }

  async #try(work) {
    if (!this.#consumer()) return;
    try {
      await work();
      this.#report(null);
    } catch (error) {
      this.#report(error);
    }
  }
}

function stored() {
  try {
    return sessionStorage.getItem(RESTART_KEY);
  } catch {
    return null;
  }
}
