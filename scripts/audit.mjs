// `npm run audit`: whether what is built in may be, by deny.toml (licences, sources, versions), and what is known to be
// wrong with it, as far as that can be asked from here.
import { capture, run } from "./lib/run.mjs";
import { Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureCargoDeny } from "./setup/cargo-tools.mjs";
import { ensureNodeModules } from "./setup/node-modules.mjs";

await main(async () => {
  await ensureCargoDeny();
  await ensureNodeModules();
  say("Licences, bans and sources of the crates");
  await run("cargo-deny", ["check", "licenses", "bans", "sources"], {
    failure: "A crate is not as deny.toml wants it: see above.",
  });
  const outcomes = [await advisories(), await npmAudit()];
  for (const { what, isFine, text } of outcomes) {
    console.log(`${isFine === undefined ? "–" : isFine ? green("✓") : red("✗")} ${what}: ${text}`);
  }
  if (outcomes.some(({ isFine }) => isFine === false)) throw new Failure("Something is known to be wrong: see above.");
});

/** RustSec's database, from GitHub. */
async function advisories() {
  const { code, text } = await capture("cargo-deny", ["check", "advisories"]);
  const what = "Advisories on the crates";
  if (/failed to fetch advisory database/.test(text)) {
    return { what, text: "not checked, the database cannot be had; versions are pinned in Cargo.lock" };
  }
  return { what, isFine: code === 0, text: code === 0 ? "none" : text };
}

/** The registry's own answer. */
async function npmAudit() {
  const { text } = await capture("npm", ["audit", "--json"]);
  const what = "Advisories on the npm packages";
  const answer = JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1) || "{}");
  const counts = answer.metadata?.vulnerabilities;
  if (!counts)
    return { what, text: "not checked, the registry does not tell; versions are pinned in package-lock.json" };
  return {
    what,
    isFine: counts.total === 0,
    text: counts.total === 0 ? "none" : JSON.stringify(answer.vulnerabilities),
  };
}
