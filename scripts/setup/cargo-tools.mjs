// Command-line tools that come as crates, each at one version, in `.tools/`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, target, tools } from "../lib/paths.mjs";
import { output, run } from "../lib/run.mjs";
import { already, Failure, say } from "../lib/step.mjs";

/** wasm-bindgen writes the JavaScript around a wasm file; it must be exactly as old as the crate inside. */
export async function ensureWasmBindgen() {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const version = lock.match(/name = "wasm-bindgen"\nversion = "([^"]+)"/)[1];
  await ensure({ crate: "wasm-bindgen-cli", command: "wasm-bindgen", version });
}

/** wasm-pack runs the tests of the browser's end in a browser. */
export const ensureWasmPack = () => ensure({ crate: "wasm-pack", command: "wasm-pack", version: "0.15.1" });

/** twiggy says what a wasm file is made of. */
export const ensureTwiggy = () => ensure({ crate: "twiggy", command: "twiggy", version: "0.8.0" });

/** cargo-deny checks what is built in. */
export const ensureCargoDeny = () => ensure({ crate: "cargo-deny", command: "cargo-deny", version: "0.20.2" });

/** cargo-mutants changes the sources, one place at a time, and sees whether a test notices. */
export const ensureCargoMutants = () =>
  ensure({ crate: "cargo-mutants", command: "cargo-mutants", version: "27.1.0", ask: ["mutants", "--version"] });

/** cargo-fuzz builds and runs the fuzzers. */
export const ensureCargoFuzz = () => ensure({ crate: "cargo-fuzz", command: "cargo-fuzz", version: "0.13.2" });

async function ensure({ crate, command, version, ask = ["--version"] }) {
  const installed = (await output(command, ask))?.trim().split(" ")[1];
  if (installed === version) return already(`${command} ${version}`);
  say(`Installing ${command} ${version} into .tools (once; it is compiled, which takes minutes)`);
  const install = ["install", crate, "--version", `=${version}`, "--root", tools, "--force"];
  const options = { env: { CARGO_TARGET_DIR: join(target, "tools") } };
  try {
    await run("cargo", [...install, "--locked"], options);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`The versions that ${crate} was released with did not build; trying the newest that fit`);
    await run("cargo", install, {
      ...options,
      failure: `${crate} ${version} could not be installed: see above, or install it yourself and put it on the PATH.`,
    });
  }
}
