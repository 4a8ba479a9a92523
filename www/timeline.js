// The run as a person reads it. Each event is in the document when `apply` returns: that is what its confirmation says.

import { make, setText } from "./dom.js";
import { counted, seqs, span, text } from "./format.js";
import { resultView } from "./result.js";

const SEAM_TITLES = {
  cut: "The connection broke here",
  gap: "Frames were missing here and were sent again",
  reload: "The page was reloaded here",
};

export class Timeline {
  #list;
  /** One for each item: { item, place, first, last, open }. */
  #entries = [];
  /** How many entries, from the top, are marked as confirmed. */
  #confirmed = 0;
  /** The paragraph that thinking is appended to: { step, text: Text, entry }. */
  #paragraph = null;
  /** Tool cards that wait for their result, by call. */
  #running = new Map();
  #startedAt = null;

  constructor(list) {
    this.#list = list;
    list.replaceChildren();
  }

  /** Puts an event into the document. `seam` says what was mended right before it, if anything. */
  apply(event, seam) {
    this.#startedAt ??= event.time;
    if (event.type === "agent_thinking") {
      this.#think(event, seam);
      return;
    }
    this.#endParagraph();
    if (seam) this.#list.append(seamRow(seam));
    const show = SHOWN.get(event.type);
    if (show && isObject(event.data)) show.call(this, event);
    else this.#entry(event, "other", unknownEvent(event));
  }

  /** Says that a range never comes. */
  lost({ after, upto, reason }) {
    this.#endParagraph();
    const range = seqs(after + 1, upto);
    this.#list.append(
      make("li", { class: "entry notice" }, make("p", {}, `Lost: ${range} (${reason}). These events never come.`)),
    );
  }

  /** Says that the log is another, and everything before this belongs to no log. */
  reset() {
    this.#endParagraph();
    this.#list.append(
      make(
        "li",
        { class: "entry notice" },
        make("p", {}, "The server’s log is another than before. What follows is from the new one."),
      ),
    );
  }

  /** Everything up to `seq` is confirmed. Entries that may still grow are marked once they are complete. */
  confirm(seq) {
    for (let entry = this.#entries[this.#confirmed]; entry; entry = this.#entries[++this.#confirmed]) {
      if (entry.open || entry.last > seq) return;
      entry.item.classList.add("confirmed");
    }
  }

  /** Nothing more comes. */
  end() {
    this.#endParagraph();
  }

  /** Updates how long running tools have been running. `now`: milliseconds since 1970. */
  tick(now) {
    for (const { status, since } of this.#running.values())
      setText(status, `running, ${span(Math.max(0, now - since))}`);
  }

  #think({ seq, time, data }, seam) {
    const step = data?.step;
    const text = typeof data?.text === "string" ? data.text : "";
    if (this.#paragraph?.step !== step) {
      this.#endParagraph();
      const body = make("p", { class: "thinking streaming" });
      this.#paragraph = { step, body, text: null, entry: this.#entry({ seq, time }, "thought", body) };
      this.#paragraph.entry.open = true;
    }
    const { body, entry } = this.#paragraph;
    if (seam) {
      body.append(seamMark(seam));
      this.#paragraph.text = null;
    }
    if (!this.#paragraph.text) {
      this.#paragraph.text = document.createTextNode("");
      body.append(this.#paragraph.text);
    }
    this.#paragraph.text.appendData(text);
    this.#extend(entry, seq);
  }

  #endParagraph() {
    if (!this.#paragraph) return;
    this.#paragraph.body.classList.remove("streaming");
    this.#paragraph.entry.open = false;
    this.#paragraph = null;
  }

  #entry({ seq, time }, kind, ...body) {
    const place = make("span", { class: "seq" }, String(seq));
    const gutter = make(
      "div",
      { class: "gutter" },
      place,
      make("span", { class: "at" }, elapsed(time - this.#startedAt)),
      make("span", { class: "tick", role: "img", "aria-label": "confirmed" }),
    );
    const item = make("li", { class: `entry ${kind}` }, gutter, make("div", { class: "body" }, ...body));
    this.#list.append(item);
    const entry = { item, place, first: seq, last: seq, open: false };
    this.#entries.push(entry);
    return entry;
  }

  #extend(entry, seq) {
    if (seq === entry.last) return;
    entry.last = seq;
    entry.place.textContent = seqs(entry.first, seq);
  }

  started(event) {
    const { task, folder } = event.data;
    const heading = make("h3", {}, text(task ?? "A run"));
    const where =
      folder == null
        ? null
        : make("p", { class: "where" }, "The agent works on the folder ", make("code", {}, text(folder)), ".");
    this.#entry(event, "started", heading, where);
  }

  executing(event) {
    const { call, tool, arguments: given } = event.data;
    const status = make("span", { class: "status" }, "running");
    const outcome = make("p", { class: "outcome" });
    const details = make("div");
    const head = make(
      "p",
      { class: "tool-head" },
      make("code", { class: "tool-name" }, text(tool)),
      argumentsView(given),
      status,
    );
    const card = make("div", { class: "tool", "data-state": "running" }, head, outcome, details);
    const entry = this.#entry(event, "call", card);
    entry.open = true;
    this.#running.set(call, { card, status, outcome, details, entry, since: event.time });
  }

  completed(event) {
    const { call, tool, success, duration_ms: duration, summary, result } = event.data;
    if (!this.#running.has(call)) this.executing({ ...event, data: { call, tool } });
    const { card, status, outcome, details, entry } = this.#running.get(call);
    this.#running.delete(call);
    card.dataset.state = success ? "done" : "failed";
    status.textContent = `${success ? "done" : "failed"} in ${span(Number(text(duration)))}`;
    outcome.textContent = text(summary);
    if (result != null) {
      details.append(make("details", {}, make("summary", {}, "Result"), resultView(result)));
    }
    entry.open = false;
    this.#extend(entry, event.seq);
  }

  finished(event) {
    const { summary, duration_ms: duration, tool_calls: calls } = event.data;
    const facts = `${span(Number(text(duration)))}, ${counted(Number(text(calls)) || 0, "tool call")}`;
    this.#entry(
      event,
      "finished",
      make("h3", {}, "Done"),
      make("p", { class: "summary" }, text(summary)),
      make("p", { class: "where" }, facts),
    );
  }

  failed(event) {
    this.#entry(event, "error", make("h3", {}, "The run failed"), make("p", {}, text(event.data.message)));
  }

  died(event) {
    this.#entry(event, "error", make("h3", {}, "The agent is gone"), make("p", {}, text(event.data.reason)));
  }

  progressed(event) {
    const { message, done, total } = event.data;
    const far = total == null ? text(done) : `${text(done)} of ${text(total)}`;
    this.#entry(event, "other", make("p", {}, `${text(message)} (${far})`));
  }
}

/** How the agent's events are shown. Any other type gets a plain card. */
const SHOWN = new Map([
  ["agent_started", Timeline.prototype.started],
  ["tool_executing", Timeline.prototype.executing],
  ["tool_completed", Timeline.prototype.completed],
  ["agent_completed", Timeline.prototype.finished],
  ["agent_error", Timeline.prototype.failed],
  ["agent_death", Timeline.prototype.died],
  ["progress_update", Timeline.prototype.progressed],
]);

function unknownEvent({ type, data }) {
  return make(
    "div",
    { class: "tool" },
    make("p", { class: "tool-head" }, make("code", { class: "tool-name" }, type)),
    resultView(data),
  );
}

function argumentsView(given) {
  const entries = isObject(given) ? Object.entries(given) : [];
  if (entries.length === 0) return null;
  return make(
    "span",
    { class: "arguments" },
    entries.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", "),
  );
}

function elapsed(ms) {
  return ms < 1 ? "+0 ms" : `+${span(ms)}`;
}

function seamMark(kind) {
  return make("span", { class: "seam", "data-kind": kind, title: SEAM_TITLES[kind], "aria-hidden": "true" });
}

function seamRow(kind) {
  return make("li", { class: "seam-row", "aria-hidden": "true" }, seamMark(kind));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
