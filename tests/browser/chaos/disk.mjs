// A disk of the run's own, small enough to be filled.
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Room for an hour's log. */
const BYTES = 512 << 20;

/** A folder for the server. `disk` is undefined, and `why` says so, where none can be mounted. */
export function mountDisk(scope) {
  const folder = mkdtempSync(join(tmpdir(), "ackwire-chaos-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${BYTES}`, "tmpfs", folder], { stdio: "pipe" });
  } catch (error) {
    return {
      folder,
      why: `this user may not mount a small disk to fill (${String(error.message).split("\n").at(-2)})`,
    };
  }
  scope.after(() => execFileSync("umount", ["--lazy", folder]));
  return { folder, disk: new Disk(folder) };
}

class Disk {
  #filler;

  constructor(folder) {
    this.#filler = join(folder, "filler");
  }

  /** Takes what is left, to the last page. */
  fill() {
    const file = openSync(this.#filler, "a");
    try {
      for (let size = 4 << 20; size >= 512; size /= 2) write(file, Buffer.alloc(size));
    } finally {
      closeSync(file);
    }
  }

  /** Gives it back. */
  free() {
    rmSync(this.#filler, { force: true });
  }
}

/** Until there is no room for one more. */
function write(file, block) {
  for (;;) {
    try {
      if (writeSync(file, block) < block.length) return;
    } catch (error) {
      if (error.code === "ENOSPC") return;
      throw error;
    }
  }
}
