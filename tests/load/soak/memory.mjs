// What processes and folders take.
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** The memory of a process that is in RAM (its resident set), in bytes. */
export async function residentBytes(pid) {
  const { stdout } = await execute("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout) * 1024;
}

/**
 * What of that the process has allocated, in bytes; the rest are pages of its program, which the system loads as they are
 * first used. `undefined` where the system does not tell.
 */
export async function allocatedBytes(pid) {
  if (process.platform !== "linux") return undefined;
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(status.match(/^RssAnon:\s+(\d+) kB$/m)?.[1]) * 1024;
}

/** SQLite's write-ahead logs in a folder, and its other files, in bytes. */
export async function folderBytes(path) {
  const bytes = { files: 0, wal: 0 };
  for (const name of await readdir(path))
    bytes[name.endsWith("-wal") ? "wal" : "files"] += (await stat(join(path, name))).size;
  return bytes;
}
