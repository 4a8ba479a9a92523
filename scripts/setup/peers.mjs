// What Ackwire is measured against, in versions that stay until somebody raises them.
import { join } from "node:path";
import { unlessFresh } from "../lib/fresh.mjs";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { say } from "../lib/step.mjs";

const FOLDER = "benches";

/** Installs the packages of `benches/`. */
export async function ensurePeers() {
  const inputs = ["package.json", "package-lock.json"].map((file) => join(FOLDER, file));
  await unlessFresh("benches", { inputs, outputs: [join(FOLDER, "node_modules")] }, () => {
    say("Installing the peers");
    return run("npm", ["ci"], { cwd: join(root, FOLDER), failure: "npm could not install the peers: see above." });
  });
}
