// The browser benchmarks: which workloads, with whom, how often; started by `npm run bench` (scripts/bench.mjs).
import { contestants } from "./contestants/index.mjs";
import { medians } from "./lib/statistics.mjs";
import { runWorkload } from "./runner.mjs";
import { workloads } from "./workloads/index.mjs";

/**
 * Runs them. `only` and `workload` name what is wanted (nothing for all), `without` folders of contestants that cannot
 * run here; `onWorkload` and `onRun` hear of the progress.
 * Returns by workload and contestant the rows of all runs, and their medians.
 */
export async function bench(scope, { only, without = [], workload, runs, quick, onWorkload, onRun }) {
  const results = {};
  for (const [key, held] of pick(workloads, workload, "workload")) {
    const able = ([, one]) => (held.takes?.(one) ?? true) && !without.includes(one.folder);
    const entries = pick(contestants, only, "contestant").filter(able);
    onWorkload({ key, title: held.title, contestants: entries.length });
    const rows = await runWorkload(scope, held, entries, { runs, quick, onRun });
    results[key] = Object.fromEntries(
      Object.entries(rows).map(([name, list]) => {
        const good = list.filter((row) => !row.error);
        return [name, { runs: list, median: good.length > 0 ? medians(good) : undefined }];
      }),
    );
  }
  return results;
}

/** Those of a table whose names begin with one of the wanted. */
function pick(table, wanted, kind) {
  const entries = Object.entries(table);
  if (wanted.length === 0) return entries;
  for (const name of wanted) {
    if (!entries.some(([key]) => key.startsWith(name))) {
      throw new Error(`There is no ${kind} "${name}": ${Object.keys(table).join(", ")}.`);
    }
  }
  return entries.filter(([key]) => wanted.some((name) => key.startsWith(name)));
}
