// The browser shell, compiled to WebAssembly and tested inside a browser.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { target } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { ensureWasmBindgen, ensureWasmPack } from "../setup/cargo-tools.mjs";
import { chromiumArgs, ensureChromium, findChromedriver } from "../setup/chromium.mjs";
import { ensureRust } from "../setup/rust.mjs";
import { countCargo } from "./count.mjs";

export async function wasm(result) {
  await ensureRust();
  await ensureWasmBindgen();
  await ensureWasmPack();
  const binary = await ensureChromium();
  const driver = findChromedriver();
  await run("wasm-pack", ["test", "--headless", "--chrome", ...(driver ? ["--chromedriver", driver] : [])], {
    env: { WASM_BINDGEN_TEST_WEBDRIVER_JSON: describe(binary) },
    onLine: countCargo(result),
  });
}

/** Tells the driver which browser to start and how; returns the description's path. */
function describe(binary) {
  const path = join(target, "webdriver.json");
  mkdirSync(target, { recursive: true });
  writeFileSync(path, JSON.stringify({ "goog:chromeOptions": { binary, args: chromiumArgs } }));
  return path;
}
