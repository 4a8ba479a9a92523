// Formatting, lints, documentation and types. Each check counts as one test.
import { run } from "../lib/run.mjs";
import { Failure, say } from "../lib/step.mjs";
import { ensureNodeModules } from "../setup/node-modules.mjs";
import { ensureRust, ensureRustLinters } from "../setup/rust.mjs";

const wasm32 = ["--target", "wasm32-unknown-unknown", "--package", "ackwire"];
const docs = { env: { RUSTDOCFLAGS: "-D warnings" } };

const checks = [
  ["Rust is formatted", "cargo", ["fmt", "--all", "--check"]],
  ["Clippy", "cargo", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]],
  ["Clippy for the browser", "cargo", ["clippy", ...wasm32, "--all-targets", "--", "-D", "warnings"]],
  ["Rust's documentation", "cargo", ["doc", "--workspace", "--no-deps"], docs],
  ["JavaScript is formatted and lints", "biome", ["ci", "--error-on-warnings", "."]],
  ["TypeScript's types", "tsc", ["--noEmit", "--project", "js"]],
];

export async function lint(result) {
  await ensureRust();
  await ensureRustLinters();
  await ensureNodeModules();
  for (const [title, command, args, options] of checks) {
    say(title);
    try {
      await run(command, args, options);
      result.passed++;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      result.failed++;
      result.complaints.push(`${title}: ${error.message}`);
    }
  }
  if (result.failed > 0) throw new Failure("`npm run format` puts formatting right; the rest is for you.");
}
