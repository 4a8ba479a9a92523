// Writes what was measured into a folder: the page, the pictures, and everything as JSON.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { workloads } from "../workloads/index.mjs";
import { insert, toMarkdown } from "./markdown.mjs";
import { toSvg } from "./svg.mjs";

const PAGE = "benchmarks.md";
const FOLDER = "benchmarks";
const HEADING = "# Benchmarks\n\n## In the browser\n";

/**
 * `report` is what was measured now: the machine, the number of runs and the results by workload. Those of other
 * workloads stay as they were. Returns the paths of what it wrote.
 */
export async function writeReport(folder, { machine, runs, quick, results }) {
  const pictures = join(folder, FOLDER);
  await mkdir(pictures, { recursive: true });
  const file = join(pictures, "browser.json");
  const measured = JSON.parse(await readFile(file, "utf8").catch(() => "{}"));
  for (const [key, rows] of Object.entries(results)) measured[key] = { machine, runs, quick, rows };
  const plots = {};
  for (const [key, { rows }] of Object.entries(measured)) {
    const { title, plot } = workloads[key];
    if (!plot) continue;
    plots[key] = `${FOLDER}/browser-${key}.svg`;
    await writeFile(join(folder, plots[key]), toSvg(title, plot, rows));
  }
  await writeFile(file, `${JSON.stringify(measured, undefined, 1)}\n`);
  const page = join(folder, PAGE);
  const before = await readFile(page, "utf8").catch(() => HEADING);
  await writeFile(page, insert(before, toMarkdown(measured, plots)));
  return [page, file];
}
