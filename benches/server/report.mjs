// The comparison of servers as tables, in the page that people have written the rest of.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { insertMarked } from "../../scripts/lib/marked.mjs";
import { median } from "../browser/lib/statistics.mjs";
import { figure } from "../browser/report/figures.mjs";
import { preface } from "../browser/report/markdown.mjs";

const TITLES = {
  sqlite: "Ackwire, SQLite",
  memory: "Ackwire, log in memory",
  ws: "bare `ws`",
  socketio: "socket.io",
};
const WORK = new Map([
  [1, "Single events"],
  [64, "Batches of 64"],
]);

/** Writes the tables into `benchmarks.md` of the folder; returns its path. `found` is the native client's report. */
export async function writeServerReport(folder, machine, { bytes, runs }) {
  const rounds = Math.max(...runs.map(({ round }) => round));
  const parts = [preface(machine, rounds)];
  for (const perFrame of new Set(runs.map(({ per_frame }) => per_frame))) {
    parts.push(`### ${WORK.get(perFrame) ?? `Batches of ${perFrame}`}, ${bytes} B each`);
    parts.push(table(runs.filter(({ per_frame }) => per_frame === perFrame)));
  }
  const page = join(folder, "benchmarks.md");
  const tables = parts.join("\n\n");
  await writeFile(page, insertMarked(await readFile(page, "utf8"), "server benchmark", "npm run bench:server", tables));
  return page;
}

function table(runs) {
  const head = ["connections", "server", "deliveries/s", "to bare `ws`", "events/frame", "CPU µs/delivery"];
  const lines = [head, ["--:", "---", "--:", "--:", "--:", "--:"]];
  for (const connections of new Set(runs.map((run) => run.connections))) {
    const here = runs.filter((run) => run.connections === connections);
    for (const contestant of new Set(here.map((run) => run.contestant))) {
      const own = here.filter((run) => run.contestant === contestant);
      const middle = (field) => figure(median(own.map((run) => run[field])));
      const cells = [
        middle("deliveries_per_second"),
        share(own, here),
        middle("events_per_frame"),
        middle("cpu_micros_per_delivery"),
      ];
      lines.push([connections.toLocaleString("en-US"), TITLES[contestant], ...cells]);
    }
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The median of the ratios to `ws` in the same round. */
function share(own, all) {
  const bare = (round) => all.find((run) => run.contestant === "ws" && run.round === round)?.deliveries_per_second;
  const ratios = own.map((run) => run.deliveries_per_second / bare(run.round)).filter(Number.isFinite);
  return ratios.length > 0 ? `${median(ratios).toFixed(2)} ×` : "–";
}
