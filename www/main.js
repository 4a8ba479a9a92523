// The console: starts runs, watches one stream at a time, and shows what the delivery went through.

import { curlCommand, startRun } from "./api.js";
import { byId, make, setText } from "./dom.js";
import { text } from "./format.js";
import { Counters, connectionText, Positions, retryWords } from "./instruments.js";
import { drawLatency } from "./latency.js";
import { TroublePanel } from "./trouble.js";
import { Watch } from "./watch.js";

const REFRESH_EVERY_MS = 200;
/** So near to the end of the page a reader follows what comes. */
const FOLLOW_WITHIN_PX = 120;
/** Connections that come and go each second are not announced each time. */
const ANNOUNCE_EVERY_MS = 4000;

const { Ackwire } = await import("/pkg/index.js").catch((error) => {
  showProblem(
    "The ackwire package is not built, or does not load: run “npm start” in the project, then reload this page.",
  );
  for (const part of document.querySelectorAll(".start, .instruments")) part.inert = true;
  throw error;
});

const client = new Ackwire(new URL("/v1/socket", location.href.replace(/^http/, "ws")).href);
const positions = new Positions(byId("positions"));
const counters = new Counters(byId("counters"));
const trouble = new TroublePanel({ consumer: () => client.consumer, report: showProblem });

let connection = { current: "idle", reason: "application" };
let retryAt = 0;
let watch = null;
let following = true;
let scrolledTo = 0;
let toEndAsked = false;
let settledVerdict = "";
let announcedAt = Number.NEGATIVE_INFINITY;

client.on("state", (change) => {
  const broke = change.previous === "connected";
  connection = change;
  retryAt = performance.now() + (change.retryInMs ?? 0);
  if (broke) watch?.seam("cut");
  if (change.current === "connected") showProblem(null);
  byId("connection").dataset.state = change.current;
  byId("connect-again").hidden = change.current !== "failed";
  if (change.current === "failed" || performance.now() - announcedAt > ANNOUNCE_EVERY_MS) {
    if (broke) announce(`Connection lost.${retryWords(change.retryInMs)}`);
    else if (change.current === "failed") announce(connectionText(change, retryAt));
  }
  refresh();
});
client.on("error", (error) => showProblem(error));

byId("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const term = form.get("term").trim();
  const errand = { pace_ms: Number(form.get("pace")), min_events: Number(form.get("length")) };
  byId("start-button").disabled = true;
  try {
    const { stream } = await startRun(term ? { ...errand, term } : errand);
    showProblem(null);
    announce("The run has started.");
    location.hash = encodeURIComponent(stream);
  } catch (error) {
    showProblem(error);
  } finally {
    byId("start-button").disabled = false;
  }
});

byId("open-empty").addEventListener("click", () => {
  location.hash = encodeURIComponent(`notes:${crypto.randomUUID().slice(0, 8)}`);
});
byId("connect-again").addEventListener("click", () => client.connect().catch(showProblem));
byId("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("curl").textContent);
  announce("Copied.");
  byId("copy").textContent = "Copied";
  setTimeout(() => setText(byId("copy"), "Copy"), 2000);
});
byId("follow").addEventListener("click", () => {
  following = true;
  toEnd();
});
// The hash names the stream, so that this link cannot use it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("timeline-title").focus();
});
addEventListener("hashchange", openFromHash);
addEventListener("pagehide", () => watch?.seam("reload"));
addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = document.scrollingElement;
  // Only a person scrolls up; what grows below them is no reason to stop following.
  if (scrollTop < scrolledTo) following = false;
  if (scrollHeight - scrollTop - clientHeight < FOLLOW_WITHIN_PX) following = true;
  scrolledTo = scrollTop;
  byId("follow").hidden = following;
});

for (const panel of document.querySelectorAll(".panel")) {
  if (matchMedia("(max-width: 60rem)").matches) panel.open = false;
  panel.querySelector("summary").addEventListener("click", () => {
    requestAnimationFrame(() => panel.open && panel.scrollIntoView({ block: "nearest" }));
  });
}
drawLatency(byId("latency-chart"), byId("latency-text"), []);
openFromHash();
setInterval(refresh, REFRESH_EVERY_MS);
await client.connect().catch(showProblem);
await trouble.restore();

function openFromHash() {
  const stream = streamFromHash();
  if (watch?.stream === stream) return;
  watch?.stop();
  watch = null;
  following = true;
  settledVerdict = "";
  byId("empty").hidden = stream !== "";
  byId("verdict").hidden = true;
  drawLatency(byId("latency-chart"), byId("latency-text"), []);
  byId("timeline").replaceChildren();
  if (stream) {
    try {
      watch = new Watch(client, stream, {
        list: byId("timeline"),
        isConnected: () => connection.current === "connected",
        applied,
        failed: showProblem,
        verdict: showVerdict,
        latency: (samples) => drawLatency(byId("latency-chart"), byId("latency-text"), samples),
      });
      byId("verdict").hidden = false;
      showVerdict({ state: "behind", text: "Reading the log…", checks: [] });
    } catch (error) {
      showProblem(error);
    }
  }
  showCommand();
  refresh();
}

function streamFromHash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1);
  }
}

function applied(event, isHistory) {
  if (following) toEnd();
  if (isHistory) return;
  if (event.type === "tool_completed") announce(`${text(event.data?.tool)}: ${text(event.data?.summary ?? "done")}`);
  if (event.type === "agent_completed") announce("The run is complete.");
}

function toEnd() {
  if (toEndAsked) return;
  toEndAsked = true;
  requestAnimationFrame(() => {
    toEndAsked = false;
    scrollTo({ top: document.scrollingElement.scrollHeight, behavior: "instant" });
  });
}

function refresh() {
  setText(byId("connection-text"), connectionText(connection, retryAt));
  if (!watch) return;
  const stats = client.stats();
  const stream = stats.subscriptions.find((subscription) => subscription.stream === watch.stream);
  if (!stream) return;
  positions.show(stream, watch.head);
  counters.show(stats, stream);
  watch.timeline.confirm(stream.confirmed);
  watch.timeline.tick(Date.now());
}

function showVerdict({ state, text, checks }) {
  byId("verdict").dataset.state = state;
  setText(byId("verdict-text"), text);
  byId("verdict-checks").replaceChildren(
    ...checks.map(({ name, state: outcome }) => {
      const word = { good: "yes", open: "not yet", failed: "no" }[outcome];
      return make("li", { "data-state": outcome }, name, make("span", { class: "unseen" }, `: ${word}`));
    }),
  );
  const settled = state === "behind" ? "" : text;
  if (state === "differ" || watch?.ended) {
    if (settled && settled !== settledVerdict) announce(settled);
    settledVerdict = settled;
  }
  showCommand();
}

function showCommand() {
  const closed = !watch || watch.ended;
  setText(
    byId("curl-note"),
    watch?.ended
      ? "This run has ended, and its stream takes no more events. Open an empty stream to post to:"
      : watch
        ? "Any type and any data; it appears here as it is."
        : "Open an empty stream, and post to it from a shell:",
  );
  byId("curl-block").hidden = closed;
  byId("open-empty").parentElement.hidden = !closed;
  setText(byId("curl"), closed ? "" : curlCommand(watch.stream));
}

function showProblem(problem) {
  const text = problem instanceof Error ? [problem.message, problem.remediation].filter(Boolean).join(" ") : problem;
  setText(byId("problem"), text ?? "");
  byId("problem").hidden = !text;
}

function announce(text) {
  announcedAt = performance.now();
  setText(byId("announcer"), text);
}
