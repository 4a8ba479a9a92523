// Writes what was measured into a folder: the page, the pictures, and everything as JSON.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { workloads } from "../workloads/index.mjs";
import { insert, toMarkdown } from "./markdown.mjs";
import { toSvg } from "./svg.mjs";

const PAGE = "benchmarks.md";
const FOLDER = "benchmarks";
const HEADING = "# Benchmarks\n\n## In the browser\n";

/** Returns the paths of what it wrote. Results of workloads that were not run this time stay as they were. */
export async function writeReport(folder, report) {
  const pictures = join(folder, FOLDER);
  await mkdir(pictures, { recursive: true });
  const file = join(pictures, "browser.json");
  const plots = {};
  for (const [key, rows] of Object.entries(report.results)) {
    const { title, plot } = workloads[key];
    if (!plot) continue;
    plots[key] = `${FOLDER}/browser-${key}.svg`;
    await writeFile(join(folder, plots[key]), toSvg(title, plot, rows));
  }
  await writeFile(file, `${JSON.stringify(report, undefined, 1)}\n`);
  const page = join(folder, PAGE);
  const before = await readFile(page, "utf8").catch(() => HEADING);
  await writeFile(page, insert(before, toMarkdown(report, plots)));
  return [page, file];
}
