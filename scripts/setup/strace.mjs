// strace, with which a test sees what the server has the disk do.
import { which } from "../lib/run.mjs";
import { already, say } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Installs it where that is possible; a test that cannot have it says so. */
export async function ensureStrace() {
  if (process.platform !== "linux") return;
  if (!which("strace")) await installWithApt("strace");
  if (which("strace")) already("strace");
  else say("No strace: the test that watches the server's syncs will be skipped");
}
