// nats-server, which the benchmark measures against.
import { which } from "../lib/run.mjs";
import { already, say } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Installs it where that is possible; says whether it is there. */
export async function ensureNatsServer() {
  if (!which("nats-server")) await installWithApt("nats-server");
  const isThere = which("nats-server") !== undefined;
  if (isThere) already("nats-server");
  else say("No nats-server: its contestants will be left out");
  return isThere;
}
