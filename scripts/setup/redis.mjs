// redis-server, which the tests of the log in Redis start themselves.
import { which } from "../lib/run.mjs";
import { already, say } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Installs it where that is possible; a test that cannot have it says so. */
export async function ensureRedis() {
  if (process.platform === "win32") return;
  if (!which("redis-server")) await installWithApt("redis-server");
  if (which("redis-server")) already("redis-server");
  else say("No redis-server: the tests of the log in Redis will be skipped");
}
