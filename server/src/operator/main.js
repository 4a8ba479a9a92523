// The operator's page: asks the server every second and shows what it says.

import { byId, setAttribute, setText } from "./dom.js";
import { describe, showAlerts, showFigures, showStreams } from "./views.js";

const EVERY_MS = 1000;

/** In memory only: whoever reads the tab's storage later finds no token. */
let token = null;
let after = null;
let next = null;
let streams = [];
let now = 0;
let paused = false;
let timer;
let announced = null;

/** The server wants to know who is asking. */
class Unwelcome extends Error {}

async function ask(path) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store" });
  const body = await answer.json();
  if (answer.ok) return body;
  const message = body.error?.message ?? `HTTP ${answer.status}`;
  throw answer.status === 401 || answer.status === 403 ? new Unwelcome(message) : new Error(message);
}

async function refresh() {
  clearTimeout(timer);
  try {
    const page = `v1/operator/streams?${new URLSearchParams(after === null ? {} : { after })}`;
    const [overview, listed] = await Promise.all([ask("v1/operator/overview"), ask(page)]);
    ({ streams, next } = listed);
    now = overview.now;
    show(overview);
    say("live", overview.draining ? "Draining" : "Live");
  } catch (error) {
    if (error instanceof Unwelcome) return signIn(error.message);
    say("lost", "No answer, asking again");
  }
  if (!paused) timer = setTimeout(refresh, EVERY_MS);
}

function show(overview) {
  byId("sign-in").hidden = true;
  byId("content").hidden = false;
  showFigures(byId("figures"), overview);
  byId("no-alerts").hidden = overview.alerts.length > 0;
  showAlerts(byId("alerts"), overview.alerts, now);
  announce(overview.alerts.filter((alert) => alert.over === null));
  showPage();
}

function showPage() {
  const text = byId("filter").value.trim().toLowerCase();
  const onlyTroubled = byId("only-troubled").checked;
  const isTroubled = (stream) => stream.consumers.some((consumer) => consumer.troubled > 0);
  const shown = streams.filter(
    (stream) => stream.stream.toLowerCase().includes(text) && (!onlyTroubled || isTroubled(stream)),
  );
  showStreams(byId("streams"), shown, now);
  byId("no-streams").hidden = shown.length > 0;
  setText(byId("no-streams"), streams.length > 0 ? "None of this page's streams is like that." : "There are none yet.");
  byId("first").hidden = after === null;
  byId("next").hidden = next === null;
}

/** Says each alert once to who cannot see it come. */
function announce(standing) {
  const texts = standing.map(describe);
  const fresh = announced === null ? [] : texts.filter((text) => !announced.has(text));
  announced = new Set(texts);
  if (fresh.length > 0) setText(byId("announcer"), fresh.join(". "));
}

function say(state, text) {
  const element = byId("state");
  setAttribute(element, "data-state", paused ? "paused" : state);
  setText(element, paused ? "Paused" : text);
}

function signIn(problem) {
  const wasHidden = byId("sign-in").hidden;
  byId("content").hidden = true;
  byId("sign-in").hidden = false;
  setText(byId("sign-in-problem"), token === null ? "" : problem);
  say("idle", "Who is asking?");
  if (wasHidden || token !== null) byId("token").focus();
}

function turn(to) {
  after = to;
  byId("streams-title").focus();
  refresh();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  refresh();
});
byId("pause").addEventListener("click", () => {
  paused = !paused;
  setAttribute(byId("pause"), "aria-pressed", String(paused));
  if (paused) {
    clearTimeout(timer);
    say("paused", "Paused");
  } else refresh();
});
byId("filter").addEventListener("input", showPage);
byId("only-troubled").addEventListener("change", showPage);
byId("first").addEventListener("click", () => turn(null));
byId("next").addEventListener("click", () => turn(next));
refresh();
