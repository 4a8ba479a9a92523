// `npm run rolling`: replaces three servers on a real Redis one after the other under many clients of a real browser, once
// behind a balancer that knows which server drains and once behind one that does not. Reports how long clients were without
// a connection and how their reconnects were spread: `-- --clients 200 --drain 5`. Exit code 1 if a client missed anything.
import { parseArgs } from "node:util";
import { buildPackage, buildServer, ensureBuildTools } from "./build.mjs";
import { onStop } from "./lib/signals.mjs";
import { Failure, main, say } from "./lib/step.mjs";
import { ensureChromium } from "./setup/chromium.mjs";
import { ensureRedis } from "./setup/redis.mjs";

await main(async () => {
  const { clients, drain } = options();
  process.env.CHROME_PATH = await ensureChromium();
  await ensureRedis();
  await ensureBuildTools();
  await buildPackage();
  process.env.ACKWIRE_SERVER = await buildServer({ release: true });
  const { Scope } = await import("../tests/browser/chaos/scope.mjs");
  const { rollingText, runRolling } = await import("../tests/browser/rolling/index.mjs");

  const scope = new Scope();
  onStop(() => scope.close());
  let missed = 0;
  for (const isKnown of [true, false]) {
    try {
      const report = await runRolling(scope, { clients, drainMs: drain * 1_000, isKnown, onProgress: say });
      console.log(rollingText(report));
      missed += report.violations.length;
    } finally {
      await scope.close();
    }
  }
  return missed === 0 ? 0 : 1;
});

function options() {
  const types = { clients: { type: "string", default: "200" }, drain: { type: "string", default: "5" } };
  const { values } = parseArgs({ options: types });
  const [clients, drain] = [values.clients, values.drain].map(Number);
  // A browser opens 255 WebSockets to a place at the most.
  if (!(clients >= 1 && clients <= 250)) throw new Failure("--clients takes a number from 1 to 250.");
  if (!(drain > 0 && drain <= 600)) throw new Failure("--drain takes seconds, up to 600.");
  return { clients, drain };
}
