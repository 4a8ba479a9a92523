// The results as tables, between markers of a page that people have written the rest of.

import { insertMarked } from "../../../scripts/lib/marked.mjs";
import { contestants } from "../contestants/index.mjs";
import { median } from "../lib/statistics.mjs";
import { workloads } from "../workloads/index.mjs";
import { figure } from "./figures.mjs";

/** Puts the tables where the markers are; at the end of a page that has none yet. */
export const insert = (page, tables) => insertMarked(page, "browser benchmark", "npm run bench", tables);

/**
 * Everything that was measured: by workload the machine, the number of runs and the rows. On what it was measured is said
 * once, as it was for the newest. `plots` maps workloads to pictures, by their paths.
 */
export function toMarkdown(measured, plots) {
  const entries = Object.keys(workloads).flatMap((key) => (measured[key] ? [[key, measured[key]]] : []));
  const newest = equipment(
    entries.reduce((one, [, { machine }]) => (machine.date >= one.date ? machine : one), { date: "" }),
  );
  const parts = [newest];
  for (const [key, { machine, runs, quick, rows }] of entries) {
    const workload = workloads[key];
    parts.push(`### ${workload.title[0].toUpperCase()}${workload.title.slice(1)}`);
    const other = equipment(machine) === newest ? "" : `\n${equipment(machine)}`;
    parts.push(occasion(machine, runs, quick) + other);
    if (plots[key]) parts.push(`![${workload.title}](${plots[key]})`);
    parts.push(table(workload, rows));
    if (workload.note) parts.push(workload.note);
  }
  return parts.join("\n\n");
}

/** Where, when and with what it was measured. */
export const preface = (machine, runs, quick) => `${occasion(machine, runs, quick)}\n${equipment(machine)}`;

function occasion({ date, commit }, runs, quick) {
  const length = quick ? ", with a tenth of the events" : "";
  return `Measured ${date} at commit ${commit}, medians of ${runs} interleaved runs${length}.`;
}

function equipment({ processors, memoryGb, system, browser, node, nats, peers = {} }) {
  const others = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  const versions = [browser, `Node ${node}`, nats, ...others].filter(Boolean).join(", ");
  return `Machine: ${processors}, ${memoryGb} GB, ${system}. Versions: ${versions}.`;
}

function table(workload, rows) {
  const columns = workload.columns;
  const head = ["", ...columns.map(([, { title }]) => title)];
  const lines = [head, ["---", ...columns.map(() => "--:")]];
  for (const [name, { runs, median: middle }] of Object.entries(rows)) {
    const { title } = contestants[name];
    const cells = columns.map(([column, { against, above }]) => {
      if (against) return share(rows, name, column, against);
      return figure(above ? excess(rows, name, column, above) : middle?.[column]);
    });
    const failed = runs.filter(({ error }) => error);
    const note = failed.length > 0 ? ` (${failed.length} of ${runs.length} runs failed)` : "";
    lines.push([title + note, ...cells]);
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The median of the ratios to another contestant in the same run: a machine that drifts drifts for both. */
function share(rows, name, column, against) {
  const middle = beside(rows, name, column, against, (value, other) => value / other);
  return middle === undefined ? "–" : `${middle.toFixed(2)} ×`;
}

/** The median of what is more than another contestant's in the same run. */
const excess = (rows, name, column, above) => beside(rows, name, column, above, (value, other) => value - other);

function beside(rows, name, column, other, compare) {
  const others = rows[other]?.runs;
  return median(
    rows[name].runs.map((row, run) => compare(row[column], others?.[run]?.[column])).filter(Number.isFinite),
  );
}
