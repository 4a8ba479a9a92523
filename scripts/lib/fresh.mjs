// Skips work whose inputs have not changed, judged by their content.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, target } from "./paths.mjs";

/**
 * Does `work` unless it was done before with the same inputs and its outputs still exist.
 * Returns whether it did. `inputs` and `outputs` are files or folders, relative to the repository.
 */
export async function unlessFresh(name, { inputs, outputs }, work) {
  const stamp = join(target, "stamps", name);
  const print = fingerprint(inputs);
  const done = existsSync(stamp) && readFileSync(stamp, "utf8") === print;
  if (done && outputs.every((path) => existsSync(join(root, path)))) return false;
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, print);
  return true;
}

function fingerprint(inputs) {
  const hash = createHash("sha256").update(process.version);
  for (const path of inputs) add(hash, path);
  return hash.digest("hex");
}

function add(hash, path) {
  const full = join(root, path);
  if (!existsSync(full)) return;
  if (statSync(full).isDirectory()) {
    for (const name of readdirSync(full).sort()) add(hash, join(path, name));
  } else {
    hash.update(`${path}\0`).update(readFileSync(full)).update("\0");
  }
}
