// A disk of the run's own, which can become full: it shrinks to what is on it, and grows again.
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Room for an hour's log. */
const BYTES = 512 << 20;

/** A folder for the server. `disk` is undefined, and `why` says so, where none can be mounted. */
export function mountDisk(scope) {
  const folder = mkdtempSync(join(tmpdir(), "ackwire-chaos-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${BYTES}`, "tmpfs", folder], { stdio: "pipe" });
  } catch {
    return { folder, why: "this user may not mount a small disk to fill" };
  }
  scope.after(() => execFileSync("umount", ["--lazy", folder]));
  return { folder, disk: new Disk(folder) };
}

class Disk {
  #folder;

  constructor(folder) {
    this.#folder = folder;
  }

  /** Leaves no page free. */
  async fill() {
    for (;;) {
      const { blocks, bfree, bsize } = await statfs(this.#folder);
      try {
        return await this.#resize((blocks - bfree) * bsize);
      } catch {
        // It has grown meanwhile.
      }
    }
  }

  /** Gives the room back. */
  free = () => this.#resize(BYTES);

  #resize = (bytes) => run("mount", ["-o", `remount,size=${bytes}`, this.#folder]);
}
