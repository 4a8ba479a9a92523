// `npm run bench:server`: the server beside a bare `ws` server and socket.io's, on the same work. Options go to the native
// client: `npm run bench:server -- --rounds 3 --connections 1,100,1000 --only sqlite,memory,ws,socketio --per-frame 1,64`.
// Without options the tables of `docs/benchmarks.md` are written anew.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildServer, ensureBuildTools } from "./build.mjs";
import { root, target } from "./lib/paths.mjs";
import { run } from "./lib/run.mjs";
import { main, say } from "./lib/step.mjs";
import { ensurePeers } from "./setup/peers.mjs";

await main(async () => {
  const options = process.argv.slice(2);
  await ensureBuildTools();
  await ensurePeers();
  const ACKWIRE_SERVER = await buildServer({ release: true });
  const report = join(target, "load", "compare.json");
  const client = ["run", "--release", "--quiet", "--package", "ackwire-load", "--", "compare", "--report", report];
  await run("cargo", [...client, ...options], { env: { ACKWIRE_SERVER } });
  if (options.length > 0) return;
  const { describeMachine } = await import("../benches/browser/lib/machine.mjs");
  const { writeServerReport } = await import("../benches/server/report.mjs");
  const found = JSON.parse(await readFile(report, "utf8"));
  const folder = join(root, "docs");
  await mkdir(join(folder, "benchmarks"), { recursive: true });
  const json = join(folder, "benchmarks", "server.json");
  const machine = await describeMachine();
  await writeFile(json, `${JSON.stringify({ machine, ...found }, undefined, 1)}\n`);
  for (const path of [await writeServerReport(folder, machine, found), json]) say(`Wrote ${path}`);
});
