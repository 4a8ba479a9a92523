// SECURITY.md says which test proves what: every test that it names is there.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { Failure } from "./step.mjs";

/** Throws a `Failure` that names every test that is not. */
export function checkNamedTests() {
  const text = readFileSync(join(root, "SECURITY.md"), "utf8");
  const rust = [...text.matchAll(/`((?:[a-z_]+::)+)([a-z0-9_]{12,})`/g)].map(([, modules, name]) => ({
    file: join("server/tests", `${modules.split("::").filter(Boolean).join("/")}.rs`),
    name,
  }));
  const browser = [...text.matchAll(/`([a-z-]+\.test\.mjs)`/g)].map(([, file]) => ({
    file: join("tests/browser", file),
  }));
  if (rust.length < 20 || browser.length < 5) throw new Error("SECURITY.md's tests were not found in it");
  const missing = [...rust, ...browser].filter(({ file, name }) => !isThere(join(root, file), name));
  const names = missing.map(({ file, name }) => [file, name].filter(Boolean).join("::"));
  if (names.length > 0) throw new Failure(`SECURITY.md names tests that are not there: ${names.join(", ")}`);
}

const isThere = (path, name) => existsSync(path) && (!name || readFileSync(path, "utf8").includes(`fn ${name}(`));
