// Nothing of ours is `unsafe`: neither in a source nor allowed by a lint.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { Failure } from "./step.mjs";

/** Folders of others, and of what is built. */
const SKIPPED = new Set(["target", "node_modules", "dist"]);
const UNSAFE = /\bunsafe\b(?!-)|\b(allow|expect|warn)\s*\([^)]*\bunsafe_code\b/;

/** Throws a `Failure` that names every place where it is otherwise. */
export function checkUnsafe() {
  const problems = [...files(root)].flatMap((path) => {
    if (path.endsWith("Cargo.toml")) return crateProblem(path);
    return path.endsWith(".rs") ? sourceProblems(path) : [];
  });
  if (problems.length > 0) throw new Failure(problems.join("\n"));
}

/** Each crate has the workspace's lints, or denies `unsafe_code` itself. */
function crateProblem(path) {
  const text = readFileSync(path, "utf8");
  const isCrate = /^\[package\]/m.test(text);
  const hasLints = /^\[lints\]\s*\nworkspace = true/m.test(text) || /unsafe_code = "(deny|forbid)"/.test(text);
  return isCrate && !hasLints ? [`${path} does not have the workspace's lints`] : [];
}

/** Comments and texts may speak of it. */
function sourceProblems(path) {
  const code = (line) => line.replace(/"(\\.|[^"\\])*"/g, '""').replace(/\/\/.*/, "");
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line, index) => (UNSAFE.test(code(line)) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name) && !entry.name.startsWith(".")) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}
