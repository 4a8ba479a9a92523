// The frames of the test vectors, one file each: where the fuzzing of frames begins.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib/paths.mjs";

/** Writes them into a folder, which has nothing else afterwards. */
export function writeSeeds(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const vectors = join(root, "tests/vectors");
  const files = readdirSync(vectors, { recursive: true }).filter((name) => name.endsWith(".json"));
  for (const file of files) {
    for (const frame of framesIn(JSON.parse(readFileSync(join(vectors, file), "utf8")))) {
      writeFileSync(join(folder, createHash("sha1").update(frame).digest("hex")), frame);
    }
  }
}

/** What has a `type` is a frame, or a text that is to be read as one. */
function* framesIn(value) {
  if (typeof value === "string" && value.trimStart().startsWith("{")) yield value;
  if (typeof value !== "object" || value === null) return;
  if (typeof value.type === "string") yield JSON.stringify(value);
  for (const inner of Object.values(value)) yield* framesIn(inner);
}
