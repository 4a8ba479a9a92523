// Formatting, lints, documentation and types. Each check counts as one test.
import { buildPackage, ensureBuildTools } from "../build.mjs";
import { checkInstructions } from "../instructions.mjs";
import { checkNamedBounds } from "../lib/named-bounds.mjs";
import { checkNamedTests } from "../lib/named-tests.mjs";
import { run } from "../lib/run.mjs";
import { Failure, say } from "../lib/step.mjs";
import { checkUnsafe } from "../lib/unsafe.mjs";
import { ensureRustLinters } from "../setup/rust.mjs";
import { checkSize } from "../size.mjs";

const wasm = ["--target", "wasm32-unknown-unknown", "--package", "ackwire"];
const strict = ["--all-targets", "--", "-D", "warnings"];

// Biome colors its output even where nobody looks.
const colors = `--colors=${process.stdout.isTTY ? "force" : "off"}`;

const checks = {
  "Rust is formatted": () => run("cargo", ["fmt", "--all", "--check"]),
  Clippy: () => run("cargo", ["clippy", "--workspace", ...strict]),
  "Clippy for the browser": () => run("cargo", ["clippy", ...wasm, ...strict]),
  "Nothing of ours is unsafe": checkUnsafe,
  "SECURITY.md names tests that exist": checkNamedTests,
  "docs/bounds.md names bounds and tests that exist": checkNamedBounds,
  "Rust's documentation": () =>
    run("cargo", ["doc", "--workspace", "--no-deps"], { env: { RUSTDOCFLAGS: "-D warnings" } }),
  "JavaScript is formatted and lints": () => run("biome", ["ci", "--error-on-warnings", colors, "."]),
  "The package builds, its types are right": buildPackage,
  "The package is within its budget (`npm run size` says more)": checkSize,
  "The core takes no more instructions than recorded": checkInstructions,
};

export async function lint(result) {
  await ensureBuildTools();
  await ensureRustLinters();
  for (const [title, check] of Object.entries(checks)) {
    say(title);
    try {
      const outcome = await check();
      result[outcome === "skipped" ? "skipped" : "passed"]++;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      result.failed++;
      result.complaints.push(`${title}: ${error.message}`);
    }
  }
  if (result.failed > 0) throw new Failure("`npm run format` puts formatting right; the rest is for you.");
}
