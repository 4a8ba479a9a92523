// Any JSON value, readable: objects as lists of facts, arrays of objects as tables, the rest as text.

import { make } from "./dom.js";
import { number } from "./format.js";

const MAX_ROWS = 20;
const MAX_TEXT = 2000;
const MAX_DEPTH = 4;

export function resultView(value, depth = 0) {
  if (Array.isArray(value)) return arrayView(value, depth);
  if (typeof value !== "object" || value === null) return make("span", { class: "value" }, plain(value));
  if (depth === MAX_DEPTH) return make("span", { class: "value" }, cut(JSON.stringify(value)));
  const facts = make("dl", { class: "facts" });
  for (const [name, part] of Object.entries(value).slice(0, MAX_ROWS)) {
    facts.append(make("dt", {}, words(name)), make("dd", {}, resultView(part, depth + 1)));
  }
  return facts;
}

function arrayView(rows, depth) {
  if (rows.length === 0) return make("span", { class: "value" }, "none");
  if (!rows.every((row) => typeof row === "object" && row !== null && !Array.isArray(row)) || depth === MAX_DEPTH) {
    return make(
      "span",
      { class: "value" },
      cut(
        rows
          .slice(0, MAX_ROWS)
          .map((row) => (typeof row === "object" ? JSON.stringify(row) : plain(row)))
          .join(", "),
      ),
    );
  }
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, 6);
  const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, words(name))));
  const body = rows
    .slice(0, MAX_ROWS)
    .map((row) =>
      make(
        "tr",
        {},
        ...columns.map((name) =>
          make("td", { class: typeof row[name] === "number" ? "number" : null }, cell(row[name])),
        ),
      ),
    );
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)),
  );
}

function cell(value) {
  return typeof value === "object" && value !== null ? cut(JSON.stringify(value)) : plain(value);
}

function plain(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return cut(String(value));
}

function cut(text) {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function words(name) {
  return name.replaceAll("_", " ");
}
