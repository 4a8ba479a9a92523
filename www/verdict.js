// Compares what the log holds with what the page applied. Pure: everything comes in, a verdict goes out.

import { counted, number, seqs } from "./format.js";

/** How long events may be on their way to a connected page before that is a failure. */
export const PATIENCE_MS = 30_000;

/**
 * @param {object} input
 * @param {{seq: number, id: string, type: string, digest: number}[]} input.log what the log holds, ascending
 * @param {{oldest: number, head: number, ended: boolean}} input.tail where the log stands
 * @param {{seq: number, id: string, type: string, digest: number}[]} input.applied what the page applied, in its order
 * @param {{after: number, upto: number, reason: string}[]} input.lost what was declared lost
 * @param {number | null} input.confirmed up to where the server holds everything confirmed; null if it does not say
 * @param {number} input.waitedMs since when nothing has come, on a connected page
 * @returns {{state: "agree" | "behind" | "differ", text: string, checks: {name: string, state: string}[]}}
 */
export function judge({ log, tail, applied, lost, confirmed, waitedMs }) {
  const order = outOfOrder(applied);
  const twice = appliedTwice(applied);
  const holes = missing(log, tail, applied);
  const strange = unlike(log, tail, applied);
  const last = applied.reduce((most, event) => Math.max(most, event.seq), 0);
  const coming = log.filter((event) => event.seq > last).length;
  const unconfirmed = confirmed === null || confirmed < tail.head;

  const problems = [...order, ...twice, ...holes.map((range) => holeText(range, lost)), ...strange];
  const late = waitedMs > PATIENCE_MS;
  if (late && coming > 0) problems.push(`${counted(coming, "event")} did not come`);
  if (late && coming === 0 && unconfirmed) problems.push(confirmedText(confirmed, tail));

  const checks = [
    check("in order", order.length > 0, false),
    check("none missing", holes.length > 0 || (late && coming > 0), coming > 0),
    check("none twice", twice.length > 0, false),
    check("same content", strange.length > 0, coming > 0),
    check("all confirmed", late && coming === 0 && unconfirmed, unconfirmed),
  ];
  if (problems.length > 0) {
    const more = problems.length > 3 ? `, and ${counted(problems.length - 3, "thing")} more` : "";
    return { state: "differ", text: `Log and page differ: ${problems.slice(0, 3).join("; ")}${more}.`, checks };
  }
  if (coming > 0) {
    return {
      state: "behind",
      text: `Catching up: ${counted(coming, "event")} of ${number(log.length)} to come.`,
      checks,
    };
  }
  if (unconfirmed) {
    return {
      state: "behind",
      text: `All ${counted(log.length, "event")} are here. ${capital(confirmedText(confirmed, tail))}.`,
      checks,
    };
  }
  const soFar = tail.ended ? "" : " so far";
  return {
    state: "agree",
    text: `Log and page agree${soFar}: ${counted(log.length, "event")}, every one here once, in order, confirmed.`,
    checks,
  };
}

function outOfOrder(applied) {
  const problems = [];
  for (let index = 1; index < applied.length; index++) {
    const [before, event] = [applied[index - 1], applied[index]];
    if (event.seq < before.seq) problems.push(`event ${event.seq} came after ${before.seq}`);
  }
  return problems;
}

function appliedTwice(applied) {
  const seen = new Set();
  const twice = new Set();
  for (const { seq, id } of applied) {
    if (seen.has(id)) twice.add(seq);
    seen.add(id);
  }
  return [...twice].map((seq) => `event ${seq} was applied twice`);
}

/** Ranges of log events that the page has passed without applying them. */
function missing(log, tail, applied) {
  const ids = new Set(applied.map((event) => event.id));
  const last = applied.reduce((most, event) => Math.max(most, event.seq), 0);
  const holes = [];
  let open = false;
  for (const { seq, id } of log) {
    const isMissing = seq <= last && seq >= tail.oldest && !ids.has(id);
    if (isMissing && open) holes.at(-1).to = seq;
    else if (isMissing) holes.push({ from: seq, to: seq });
    open = isMissing;
  }
  return holes;
}

function holeText({ from, to }, lost) {
  const range = lost.find(({ after, upto }) => after < from && to <= upto);
  const declared = range ? `, declared lost (${range.reason})` : "";
  const what = from === to ? "event" : "events";
  return `${what} ${seqs(from, to)} ${from === to ? "is" : "are"} missing${declared}`;
}

/** Applied events that the log does not hold, or holds otherwise. */
function unlike(log, tail, applied) {
  const bySeq = new Map(log.map((event) => [event.seq, event]));
  const known = log.at(-1)?.seq ?? 0;
  const problems = [];
  for (const event of applied) {
    if (event.seq < tail.oldest || event.seq > known) continue;
    const kept = bySeq.get(event.seq);
    if (!kept) problems.push(`event ${event.seq} is not in the log`);
    else if (kept.id !== event.id || kept.type !== event.type || kept.digest !== event.digest) {
      problems.push(`event ${event.seq} has other content than in the log`);
    }
  }
  return problems;
}

function confirmedText(confirmed, tail) {
  if (confirmed === null) return "the server has no confirmation of this tab yet";
  return `confirmed up to ${number(confirmed)} of ${number(tail.head)}`;
}

function check(name, failed, open) {
  return { name, state: failed ? "failed" : open ? "open" : "good" };
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
