// Rust itself, and the parts of it that builds and tests need.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib/paths.mjs";
import { output, run, which } from "../lib/run.mjs";
import { already, Failure, say } from "../lib/step.mjs";

const wasm = "wasm32-unknown-unknown";

/** A compiler that is new enough, with the wasm32 target. */
export async function ensureRust() {
  const version = (await output("rustc", ["--version"]))?.match(/\d+\.\d+/)?.[0];
  if (!version) throw new Failure("Rust is missing: install it from https://rustup.rs and run this again.");
  const needed = readFileSync(join(root, "Cargo.toml"), "utf8").match(/rust-version = "([\d.]+)"/)[1];
  if (minor(version) < minor(needed)) {
    throw new Failure(`Rust ${version} is too old, ${needed} is needed: run \`rustup update stable\`.`);
  }
  const sysroot = (await output("rustc", ["--print", "sysroot"])).trim();
  if (existsSync(join(sysroot, "lib", "rustlib", wasm))) return already(`Rust ${version} with ${wasm}`);
  say(`Adding ${wasm} to Rust ${version}`);
  if (!which("rustup")) throw new Failure(`Rust was installed without rustup and lacks ${wasm}: install that target.`);
  await run("rustup", ["target", "add", wasm]);
}

/** The formatter and the linter. */
export async function ensureRustLinters() {
  for (const [component, command] of [
    ["rustfmt", "fmt"],
    ["clippy", "clippy"],
  ]) {
    if (await output("cargo", [command, "--version"])) continue;
    say(`Adding ${component}`);
    await run("rustup", ["component", "add", component], {
      failure: `Install Rust's ${component}, then run this again.`,
    });
  }
}

/** The nightly compiler, for what only it can do: the coverage that guides fuzzers. */
export async function ensureNightly() {
  const version = await output("rustc", ["+nightly", "--version"]);
  if (version) return already(`Nightly ${version.trim().split(" ")[1]}`);
  if (!which("rustup")) throw new Failure("Fuzzing needs a nightly Rust, and there is no rustup to install it with.");
  say("Installing the nightly Rust toolchain");
  await run("rustup", ["toolchain", "install", "nightly", "--profile", "minimal"]);
}

const minor = (version) => Number(version.split(".")[1]);
