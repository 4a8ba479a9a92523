// The browser benchmarks: which workloads, with whom, how often; started by `npm run bench` (scripts/bench.mjs).
import { contestants } from "./contestants/index.mjs";
import { medians } from "./lib/statistics.mjs";
import { runWorkload } from "./runner.mjs";
import { workloads } from "./workloads/index.mjs";

/**
 * Runs them. `only` and `workload` name what is wanted (nothing for all), `without` folders of contestants that cannot
 * run here; `onWorkload` and `onRun` hear of the progress, and `onResult({ key, rows })` of each workload that is done: by
 * contestant the rows of all runs, and their medians.
 */
export async function bench(scope, { only, without = [], workload, runs, quick, onWorkload, onRun, onResult }) {
  for (const [key, held] of pick(workloads, workload, "workload")) {
    const able = ([, one]) => (held.takes?.(one) ?? true) && !without.includes(one.folder);
    const entries = pick(contestants, only, "contestant").filter(able);
    onWorkload({ key, title: held.title, contestants: entries.length });
    const rows = await runWorkload(scope, held, entries, { runs, quick, onRun });
    const summed = Object.fromEntries(
      Object.entries(rows).map(([name, list]) => {
        const good = list.filter((row) => !row.error);
        return [name, { runs: list, median: good.length > 0 ? medians(good) : undefined }];
      }),
    );
    await onResult({ key, rows: summed });
  }
}

/** Those of a table that are wanted: by name, or all whose names begin so. */
function pick(table, wanted, kind) {
  const names = Object.keys(table);
  const picked = wanted.flatMap((name) => {
    const found = names.includes(name) ? [name] : names.filter((key) => key.startsWith(name));
    if (found.length === 0) throw new Error(`There is no ${kind} "${name}": ${names.join(", ")}.`);
    return found;
  });
  return Object.entries(table).filter(([name, { isTrial }]) =>
    wanted.length === 0 ? !isTrial : picked.includes(name),
  );
}
