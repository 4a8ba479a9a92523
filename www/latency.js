// How long confirmations take: asks the server about a few events each second, and draws what it says. The span runs
// from sending the event to its confirmation, both by the server's clock.

import { readDeliveries } from "./api.js";
import { counted, span } from "./format.js";

const EVERY_MS = 400;
const SHOWN = 60;
const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 320, height: 92, left: 4, right: 42, top: 8, bottom: 8 };
/** The scale is logarithmic, from 1 ms to 10 s. */
const DECADES = 4;

/** Picks events that are confirmed, and asks the server how long that took. */
export class LatencyProbe {
  #stream;
  #consumer;
  #show;
  /** Events that may be asked about, newest last. */
  #candidates = [];
  #samples = [];
  #timer = null;

  constructor(stream, { consumer, show }) {
    this.#stream = stream;
    this.#consumer = consumer;
    this.#show = show;
  }

  start() {
    this.#timer = setInterval(() => this.#probe(), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** A live event was applied. */
  add({ seq, id, priority }) {
    this.#candidates.push({ seq, id, critical: priority === "critical" });
    if (this.#candidates.length > 200) this.#candidates.shift();
  }

  async #probe() {
    // Critical events are few: each is asked about. Of the others, the one before last: its confirmation had time.
    const index = this.#candidates.findIndex(({ critical }) => critical);
    const event = index >= 0 ? this.#candidates.splice(index, 1)[0] : this.#candidates.splice(-2, 1)[0];
    if (!event || document.hidden) return;
    const { deliveries } = await readDeliveries(this.#stream, event.id).catch(() => ({ deliveries: [] }));
    const own = deliveries.find(({ consumer }) => consumer === this.#consumer());
    if (own?.state === "confirmed" && own.latency_ms != null) {
      this.#samples.push({ ...event, ms: own.latency_ms });
      this.#samples.sort((a, b) => a.seq - b.seq);
      if (this.#samples.length > SHOWN) this.#samples.shift();
      this.#show(this.#samples);
    } else if (own && own.state !== "confirmed") {
      this.#candidates.push(event);
    }
  }
}

/** Draws samples into `host`, and says in `text` what they come to. */
export function drawLatency(host, text, samples) {
  const spans = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  const median = spans[Math.floor(spans.length / 2)];
  text.textContent = samples.length
    ? `Median ${span(median)}, slowest ${span(spans.at(-1))}, of ${counted(samples.length, "event")} asked about. Sent to confirmed, by the server’s clock; filled: critical events, confirmed at once.`
    : "Sent to confirmed, by the server’s clock. Nothing measured yet.";

  const svg = element("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img" });
  svg.setAttribute(
    "aria-label",
    samples.length ? `Median ${span(median)}, slowest ${span(spans.at(-1))}` : "No measurements yet",
  );
  for (const [ms, label] of [
    [1, "1 ms"],
    [10, "10 ms"],
    [100, "100 ms"],
    [1000, "1 s"],
    [10_000, "10 s"],
  ]) {
    const y = place(ms);
    svg.append(element("line", { class: "grid", x1: 0, x2: SIZE.width - SIZE.right, y1: y, y2: y }));
    const mark = element("text", { class: "mark", x: SIZE.width - SIZE.right + 6, y: y + 3 });
    mark.textContent = label;
    svg.append(mark);
  }
  const step = (SIZE.width - SIZE.left - SIZE.right) / SHOWN;
  samples.forEach(({ ms, critical }, index) => {
    const x = SIZE.left + step * (index + 0.5);
    svg.append(element("line", { class: "stem", x1: x, x2: x, y1: place(1), y2: place(ms) }));
    svg.append(element("circle", { class: critical ? "dot critical" : "dot", cx: x, cy: place(ms), r: 2.2 }));
  });
  host.replaceChildren(svg);
}

function place(ms) {
  const share = Math.log10(Math.min(Math.max(ms, 1), 10 ** DECADES)) / DECADES;
  return SIZE.height - SIZE.bottom - share * (SIZE.height - SIZE.top - SIZE.bottom);
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
