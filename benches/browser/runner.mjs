// Runs workloads: every contestant once, then every contestant once more, so that a machine that drifts drifts for all.
import { openBench } from "./lib/browser.mjs";
import { startPeer } from "./lib/peer.mjs";
import { Scope } from "./lib/scope.mjs";
import { startSite } from "./lib/site.mjs";

/**
 * Measures one workload. `entries` are [name, contestant] pairs; `onRun({ run, name, figures | error })` hears of each
 * measurement. Returns by name the rows of all runs; a run that failed has an `error`.
 */
export async function runWorkload(scope, workload, entries, { runs, quick, onRun }) {
  const here = new Scope();
  scope.after(() => here.close());
  const rows = Object.fromEntries(entries.map(([name]) => [name, []]));
  try {
    const site = await startSite(here);
    const plan = workload.plan({ quick });
    const peers = new Map();
    for (let run = 1; run <= runs; run++) {
      for (const [name, contestant] of entries) {
        const row = await attempt(async () => {
          const shared = { contestant, workload, plan, site };
          if (workload.isFresh) return measure(here, shared);
          if (!peers.has(name)) peers.set(name, await prepare(here, contestant, plan));
          return measure(here, { ...shared, peer: peers.get(name) });
        });
        rows[name].push(row);
        onRun({ run, name, row });
      }
    }
    return rows;
  } finally {
    await here.close();
  }
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.message };
  }
}

async function prepare(scope, contestant, plan) {
  const peer = await startPeer(contestant);
  scope.after(() => peer.stop());
  await peer.call("prepare", plan);
  return peer;
}

/** Without a `peer`, with one of its own. */
async function measure(scope, { contestant, workload, plan, site, peer: shared }) {
  const here = new Scope();
  scope.after(() => here.close());
  try {
    const open = () => openBench(here, site.page(contestant.folder));
    const peer = shared ?? (await prepare(here, contestant, plan));
    return await workload.measure({ scope: here, contestant, peer, plan, open });
  } finally {
    await here.close();
  }
}
