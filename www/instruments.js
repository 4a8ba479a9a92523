// What the instruments show: connection, positions, counters. Reads snapshots; changes nothing.

import { make, setText } from "./dom.js";
import { number, span } from "./format.js";

const REASONS = {
  application: "",
  welcome: "",
  retry: "",
  wake: "the page woke up",
  socket_closed: "the connection broke",
  silent: "the server fell silent",
  connect_timeout: "the server did not answer in time",
  token_failed: "no token",
  token_refused: "the token was refused",
  tries_exhausted: "too many tries",
  drain: "the server is going away",
  server_misbehaved: "the server broke the protocol",
  gap_stuck: "a gap was not filled",
};

/** The connection's state in words. `dueAt`: when the next try is due, by `performance.now()`. */
export function connectionText({ current, reason, detail, code }, dueAt) {
  const why = [REASONS[reason] ?? reason, code ? `code ${code}` : "", detail ?? ""].filter(Boolean).join(", ");
  const because = why ? `: ${why}` : "";
  switch (current) {
    case "idle":
      return "Not connected";
    case "connecting":
      return "Connecting…";
    case "connected":
      return "Connected";
    case "waiting":
      return `Waiting${because}. Next try in ${(Math.max(0, dueAt - performance.now()) / 1000).toFixed(1)} s`;
    case "failed":
      return `Given up${because}`;
    default:
      return "Closed";
  }
}

/** Three positions against the log's head: each a number and a bar. */
export class Positions {
  #rows = {};

  constructor(host) {
    for (const [key, name, title] of [
      ["head", "In the log", "The newest event that the server has said it has"],
      ["received", "Received", "The highest seq heard of"],
      ["delivered", "Delivered", "Everything up to here was handed to the page, in order"],
      ["confirmed", "Confirmed", "Everything up to here is in the document, and was confirmed"],
    ]) {
      const bar = make("span", { class: `bar-fill ${key}` });
      const value = make("span", { class: "bar-value" }, "–");
      host.append(
        make("dt", { title }, name),
        make("dd", {}, make("span", { class: "bar-track", "aria-hidden": "true" }, bar), value),
      );
      this.#rows[key] = { bar, value };
    }
  }

  show(position, head) {
    const most = Math.max(head, position.received, 1);
    this.#row("head", Math.max(head, position.received), most);
    for (const key of ["received", "delivered", "confirmed"]) this.#row(key, position[key], most);
  }

  #row(key, value, most) {
    const { bar, value: text } = this.#rows[key];
    setText(text, number(value));
    bar.style.setProperty("--share", String(value / most));
  }
}

/** Counters of what went wrong and was repaired. */
export class Counters {
  #values = {};

  constructor(host) {
    for (const [key, name, title] of [
      ["duplicates", "Suppressed", "Events that came again and did not reach the page again"],
      ["gaps", "Gaps found", "Times that events were missing"],
      ["repaired", "Gaps repaired", "Times that what was missing has come"],
      ["resends", "Resends asked", "Requests to send missing events again"],
      ["reconnects", "Reconnections", "Connections after the first"],
      ["lost", "Lost", "Ranges that the server declared lost"],
    ]) {
      this.#values[key] = make("dd", {}, "0");
      host.append(make("div", { title }, make("dt", {}, name), this.#values[key]));
    }
  }

  show(client, stream) {
    const connections = Math.max(0, client.connections - 1);
    const values = { ...stream, duplicates: stream.duplicates + stream.suppressed, reconnects: connections };
    for (const [key, element] of Object.entries(this.#values)) {
      setText(element, number(values[key] ?? 0));
      element.classList.toggle("some", values[key] > 0);
    }
  }
}

/** How long until something, for people who cannot see the countdown. */
export function retryWords(retryInMs) {
  return retryInMs == null ? "" : ` Next try in ${span(retryInMs)}.`;
}
