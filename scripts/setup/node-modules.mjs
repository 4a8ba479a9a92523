// The npm packages that builds and tests use.
import { unlessFresh } from "../lib/fresh.mjs";
import { run } from "../lib/run.mjs";
import { already, Failure, say } from "../lib/step.mjs";

export async function ensureNodeModules() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Failure(`Node ${process.versions.node} is too old: install Node 20.19 or newer.`);
  }
  const installed = await unlessFresh(
    "node-modules",
    { inputs: ["package.json", "package-lock.json"], outputs: ["node_modules"] },
    () => {
      say("Installing npm packages");
      return run("npm", ["ci"], {
        failure:
          "npm could not install the packages: see above; the usual reasons are the network or a changed package.json without `npm install`.",
      });
    },
  );
  if (!installed) already("npm packages");
}
