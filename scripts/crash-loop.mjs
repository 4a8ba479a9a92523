// `npm run crash-loop -- [--kills N] [--seed N]`: kills the real server with its real file at random moments, 500 times
// unless told otherwise, and holds what its producers were told against its log. The loop is server/tests/crash.
import { parseArgs } from "node:util";
import { run } from "./lib/run.mjs";
import { Failure, main } from "./lib/step.mjs";
import { ensureRust } from "./setup/rust.mjs";

const { kills, seed } = parseArgs({
  options: { kills: { type: "string", default: "500" }, seed: { type: "string" } },
}).values;

await main(async () => {
  for (const [name, value] of Object.entries({ kills, seed })) {
    if (value !== undefined && !/^[1-9]\d{0,8}$/.test(value))
      throw new Failure(`--${name} takes a whole number above 0.`);
  }
  await ensureRust();
  const test = "what_was_answered_is_there_after_a_kill";
  const env = { CRASH_KILLS: kills, ...(seed && { CRASH_SEED: seed }) };
  await run("cargo", ["test", "--package", "ackwire-server", "--test", "crash", test, "--", "--nocapture"], { env });
});
