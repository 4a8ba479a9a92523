// End to end: the built package in a real browser, against the real server and a real file.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildPackage, buildServer, ensureBuildTools } from "../build.mjs";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { say } from "../lib/step.mjs";
import { ensureChromium } from "../setup/chromium.mjs";
import { ensureRedis } from "../setup/redis.mjs";
import { countNode } from "./count.mjs";

export async function browser(result) {
  await ensureRedis();
  await runInBrowser("tests/browser", result);
}

/** Runs a folder of node:test files, with everything built that they need. */
export async function runInBrowser(folder, result) {
  const CHROME_PATH = await ensureChromium();
  await ensureBuildTools();
  await buildPackage();
  const ACKWIRE_SERVER = await buildServer({ release: false });
  say(`Running ${folder} in ${CHROME_PATH}`);
  await run(
    process.execPath,
    ["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=180000", ...testFiles(folder)],
    {
      env: { CHROME_PATH, ACKWIRE_SERVER },
      onLine: countNode(result),
    },
  );
}

const testFiles = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => join(folder, name));
