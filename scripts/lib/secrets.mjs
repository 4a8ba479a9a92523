// Looks for tokens in everything that the tests print, and in what servers and pages under test log.
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { newSecret, sign } from "../../tests/browser/harness/token.mjs";
import { environment, target } from "./paths.mjs";
import { overhear } from "./run.mjs";
import { Failure } from "./step.mjs";

/** A signed token, of any issuer: two JSON objects in base64url, and a signature that may be missing. */
const TOKEN = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/;

/** Begins to watch. Returns a function that says what was seen since, or throws a `Failure` if there was a token. */
export function watchForTokens() {
  if (!TOKEN.test(`Bearer ${sign(newSecret())}`)) throw new Error("a token would not be seen");
  const logs = join(target, "test-logs");
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  // Servers in Rust's tests, and servers and pages in the browsers', write there.
  environment.ACKWIRE_TEST_LOGS = logs;
  // Cargo sees no terminal any more; the reader still does.
  if (process.stdout.isTTY) environment.CARGO_TERM_COLOR ??= "always";
  const found = [];
  let printed = 0;
  overhear((line) => {
    printed++;
    if (TOKEN.test(stripVTControlCharacters(line))) found.push("the output of a test, above");
  });
  return () => {
    let logged = 0;
    for (const name of readdirSync(logs)) {
      const lines = readFileSync(join(logs, name), "utf8").split("\n");
      logged += lines.length;
      if (lines.some((line) => TOKEN.test(line))) found.push(join(logs, name));
    }
    if (found.length > 0) throw new Failure(`A token is in ${[...new Set(found)].join(", ")}`);
    return `No token in ${printed} lines of output and ${logged} lines of logs`;
  };
}
