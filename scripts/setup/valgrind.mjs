// valgrind, whose callgrind counts instructions.
import { which } from "../lib/run.mjs";
import { already, say } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Installs it where that is possible; says whether it is there. */
export async function ensureValgrind() {
  if (process.platform === "linux" && !which("valgrind")) await installWithApt("valgrind");
  const isThere = Boolean(which("valgrind"));
  if (isThere) already("valgrind");
  else say("No valgrind: instructions cannot be counted, and are not compared");
  return isThere;
}
