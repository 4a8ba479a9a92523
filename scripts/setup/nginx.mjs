// nginx, before which a test puts the configuration that docs/operations.md recommends.
import { which } from "../lib/run.mjs";
import { already, say } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Installs it where that is possible; a test that cannot have it says so. */
export async function ensureNginx() {
  if (process.platform === "win32") return;
  if (!which("nginx")) await installWithApt("nginx");
  if (which("nginx")) already("nginx");
  else say("No nginx: the test of docs/nginx.conf will be skipped");
}
