// What the page shows of each thing. On a phone the style sheet makes cards of rows; the roles keep them rows for those
// who do not see that.

import { list, make, setAttribute, setText } from "./dom.js";

const number = new Intl.NumberFormat("en");
const time = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

const conditions = {
  critical_unconfirmed: "Critical events are not confirmed",
  run_silent: "A run has fallen silent",
  tool_slow: "A tool takes long",
  run_unstarted: "A run completed that had not started",
};

/** The numbers of the whole server. */
export function showFigures(parent, { stats, depths }) {
  const latency = stats.latency_ms;
  const figures = [
    ["Confirmation rate", percent(stats.confirmation_rate)],
    ["of critical events", percent(stats.critical_confirmation_rate)],
    ["Latency, median", latency ? duration(latency.p50) : "–"],
    ["99 of 100 within", latency ? duration(latency.p99) : "–"],
    ["Connections", number.format(depths.connections)],
    ["Unsettled", number.format(depths.unsettled)],
    ["Events tracked", number.format(stats.tracked)],
    ["Sent", number.format(stats.sent)],
    ["Confirmed", number.format(stats.confirmed)],
    ["Failed", number.format(stats.failed), stats.failed > 0],
    ["Timed out", number.format(stats.timeouts), stats.timeouts > 0],
    ["Retries", `${number.format(stats.retries)}, ${number.format(stats.retries_succeeded)} succeeded`],
    ["Failed for good", number.format(stats.dead), stats.dead > 0],
    ["Resends asked for", number.format(stats.resends)],
    ["Duplicates", number.format(stats.duplicates)],
  ];
  list(parent, figures, {
    key: ([title]) => title,
    create: ([title]) => make("div", {}, make("dt", {}, title), make("dd")),
    update: (row, [, value, isTrouble]) => {
      setText(row.lastElementChild, value);
      setAttribute(row, "data-trouble", isTrouble ? "" : null);
    },
  });
}

/** Alerts, those that stand first. */
export function showAlerts(parent, alerts, now) {
  const ordered = [...alerts.filter((alert) => alert.over === null), ...alerts.filter((alert) => alert.over !== null)];
  list(parent, ordered, {
    key: (alert) => JSON.stringify({ ...alert, over: null }),
    create: (alert) =>
      make(
        "li",
        {},
        make("strong", {}, conditions[alert.condition] ?? alert.condition),
        make("span", { class: "where" }, where(alert)),
        make("span", { class: "when" }),
      ),
    update: (row, alert) => {
      const isOver = alert.over !== null;
      setAttribute(row, "data-state", isOver ? "over" : "stands");
      const began = `since ${time.format(alert.since)} (${duration(Math.max(0, now - alert.since))})`;
      const span = alert.over === alert.since ? "" : `, stood ${duration(alert.over - alert.since)}`;
      setText(row.lastElementChild, isOver ? `${time.format(alert.since)}${span}` : began);
    },
  });
}

/** One line that says what an alert is about. */
export function describe(alert) {
  return `${conditions[alert.condition] ?? alert.condition}: ${where(alert)}`;
}

function where({ stream, run, tool, consumer, subject, event }) {
  const of = subject ? `${consumer} of ${subject}` : consumer;
  const parts = [
    stream,
    run && `run ${run}`,
    tool && `tool ${tool}`,
    of && `consumer ${of}`,
    event && `event ${event}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** Streams with their consumers. */
export function showStreams(parent, streams, now) {
  list(parent, streams, {
    key: (stream) => stream.stream,
    create: (stream) => {
      const title = make("h3", {}, stream.stream);
      const columns = ["Consumer", "Sent", "Received", "Delivered", "Confirmed", "Unsettled", "Troubled"];
      const head = make(
        "tr",
        { role: "row" },
        ...columns.map((name) => make("th", { scope: "col", role: "columnheader" }, name)),
      );
      const table = make(
        "table",
        { role: "table" },
        make("thead", { role: "rowgroup" }, head),
        make("tbody", { role: "rowgroup" }),
      );
      const nobody = make("p", { class: "soft" }, "Nobody has subscribed.");
      return make("article", {}, make("header", {}, title, make("p", { class: "soft facts" })), table, nobody);
    },
    update: (article, stream) => {
      const [header, table, nobody] = article.children;
      const size = `${number.format(stream.events)} ${stream.events === 1 ? "event" : "events"}, ${bytes(stream.bytes)}`;
      const ended = stream.ended ? ", ended" : "";
      setText(header.lastElementChild, `head ${number.format(stream.head)}${ended} · ${size} kept`);
      table.hidden = stream.consumers.length === 0;
      nobody.hidden = !table.hidden;
      showConsumers(table.tBodies[0], stream, now);
    },
  });
}

function showConsumers(parent, stream, now) {
  const rows = stream.consumers.flatMap((consumer) => {
    const name = JSON.stringify([consumer.subject ?? null, consumer.consumer]);
    const troubles = consumer.troubles.length > 0 ? [{ key: `${name} troubles`, consumer, troubles: true }] : [];
    return [{ key: name, consumer }, ...troubles];
  });
  list(parent, rows, {
    key: (row) => row.key,
    create: ({ consumer, troubles }) => (troubles ? troublesRow(consumer) : consumerRow(consumer)),
    update: (row, { consumer, troubles }) =>
      troubles ? updateTroubles(row, consumer, now) : updateConsumer(row, consumer, stream.head),
  });
}

function consumerRow({ consumer, subject }) {
  const name = make(
    "th",
    { scope: "row", role: "rowheader" },
    make("span", { class: "name" }, consumer),
    make("span", { class: "soft" }),
  );
  if (subject) name.firstElementChild.append(make("span", { class: "soft" }, ` of ${subject}`));
  const place = (label) => make("td", { role: "cell", "data-label": label }, make("span"), make("meter", { min: "0" }));
  const plain = (label) => make("td", { role: "cell", "data-label": label });
  return make(
    "tr",
    { class: "consumer" },
    name,
    place("Sent"),
    place("Received"),
    place("Delivered"),
    place("Confirmed"),
    plain("Unsettled"),
    plain("Troubled"),
  );
}

function updateConsumer(row, consumer, head) {
  const [name, sent, received, delivered, confirmed, unsettled, troubled] = row.children;
  setAttribute(row, "data-connected", String(consumer.connected));
  setText(name.lastElementChild, consumer.connected ? "connected" : "away, as last known");
  place(sent, consumer.sent, head, "sent");
  place(received, consumer.received, head, "received");
  place(delivered, consumer.delivered, head, "delivered");
  place(confirmed, consumer.confirmed, head, "confirmed");
  setText(unsettled, number.format(consumer.unsettled));
  setText(troubled, number.format(consumer.troubled));
  setAttribute(troubled, "data-trouble", consumer.troubled > 0 ? "" : null);
}

function place(cell, seq, head, what) {
  const [text, meter] = cell.children;
  const behind = Math.max(0, head - seq);
  setText(text, behind === 0 ? number.format(seq) : `${number.format(seq)} (${number.format(behind)} behind)`);
  setAttribute(meter, "max", String(Math.max(1, head)));
  setAttribute(meter, "value", String(seq));
  setAttribute(meter, "aria-label", `${what} up to ${seq} of ${head}`);
}

function troublesRow({ consumer }) {
  const columns = ["Event", "State", "Attempt", "Next", "What went wrong last"];
  const head = make(
    "tr",
    { role: "row" },
    ...columns.map((name) => make("th", { scope: "col", role: "columnheader" }, name)),
  );
  const caption = make("caption", {});
  const table = make(
    "table",
    { class: "troubles", role: "table" },
    caption,
    make("thead", { role: "rowgroup" }, head),
    make("tbody", { role: "rowgroup" }),
  );
  setText(caption, `Troubled events of ${consumer}`);
  return make("tr", { class: "nested", role: "row" }, make("td", { colspan: "7", role: "cell" }, table));
}

function updateTroubles(row, consumer, now) {
  const table = row.querySelector("table");
  const more = consumer.troubled - consumer.troubles.length;
  const rest = more > 0 ? `, and ${number.format(more)} more` : "";
  setText(table.caption, `Troubled events of ${consumer.consumer}${rest}`);
  list(table.tBodies[0], consumer.troubles, {
    key: (trouble) => `${trouble.seq}`,
    create: (trouble) => {
      const id = make(
        "th",
        { scope: "row", role: "rowheader", "data-label": "Event" },
        `${number.format(trouble.seq)} `,
      );
      id.append(make("code", {}, trouble.id));
      if (trouble.priority === "critical") id.append(make("span", { class: "critical" }, " critical"));
      const cell = (label) => make("td", { role: "cell", "data-label": label });
      return make("tr", { role: "row" }, id, cell("State"), cell("Attempt"), cell("Next"), cell("Last error"));
    },
    update: (line, trouble) => {
      const [, state, attempt, next, error] = line.children;
      setText(state, trouble.state);
      setAttribute(state, "data-state", trouble.state);
      setText(attempt, number.format(trouble.attempt));
      setText(next, due(trouble, now));
      setText(error, trouble.last_error ?? "");
    },
  });
}

function due({ state, due }, now) {
  if (state === "dead") return "–";
  if (due === null) return "when it is back";
  const wait = duration(Math.max(0, due - now));
  return state === "retrying" ? `deadline in ${wait}` : `retry in ${wait}`;
}

function percent(rate) {
  // Rounded down: 99.99 % is not all.
  return rate === null ? "–" : `${(Math.floor(rate * 1000) / 10).toFixed(1)} %`;
}

function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

function bytes(count) {
  if (count < 1024) return `${count} bytes`;
  return count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`;
}
