// docs/bounds.md says what every bound is called and which test gets there: both are there.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { Failure } from "./step.mjs";

/** Where bounds and tests are. */
const FOLDERS = ["server/src", "server/tests", "src", "js", "tests"];

/** Throws a `Failure` that names every bound and every test that is not. */
export function checkNamedBounds() {
  const rows = readFileSync(join(root, "docs/bounds.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| what |"))
    .map((line) => line.split("|").slice(1, -1));
  if (rows.length < 50) throw new Error("docs/bounds.md's tables were not found in it");
  const files = sources();
  const missing = rows.flatMap((cells) => {
    const [what, tests] = [cells[0].trim(), cells.at(-1)];
    const bound = cells.slice(1, -1).join(" ");
    return [...missingBounds(bound, files), ...missingTests(tests, files)].map((name) => `${what}: ${name}`);
  });
  if (missing.length > 0) throw new Failure(`docs/bounds.md names what is not there: ${missing.join("; ")}`);
}

/** Constants, and flags by the field that they fill. */
function missingBounds(text, files) {
  const constants = [...text.matchAll(/`(?:[A-Za-z]+::)?([A-Z][A-Z_]{3,})`/g)].map(([, name]) => name);
  const flags = [...text.matchAll(/`--([a-z-]+)`/g)].map(([, name]) => name);
  const isFlag = (flag) => (text) =>
    text.includes(`long = "${flag}"`) || text.includes(`pub ${flag.replaceAll("-", "_")}: `);
  return [
    ...constants.filter((name) => !files.some(({ text }) => text.includes(`const ${name}`))),
    ...flags.filter((flag) => !files.some(({ text }) => isFlag(flag)(text))).map((flag) => `--${flag}`),
  ];
}

/** Each file, followed by the beginnings of tests in it; a folder of vectors by their names. */
function missingTests(cell, files) {
  const named = [...cell.matchAll(/`([a-z_/.-]+)`([^`|]*)/g)];
  if (named.length === 0) return ["no test"];
  return named.flatMap(([, name, rest]) => {
    const candidates = files.filter(({ path }) => `/${path}`.endsWith(`/${name}`) || path.startsWith(`tests/${name}/`));
    if (candidates.length === 0) return [name];
    // What follows a semicolon leads to the next file.
    const tests = rest
      .split(";")[0]
      .split(",")
      .map((test) => test.trim().replace(/…$/, ""));
    const isThere = (test) =>
      candidates.some(
        ({ path, text }) => [`fn ${test}`, `test("${test}`].some((it) => text.includes(it)) || path.includes(test),
      );
    return tests.filter((test) => test !== "" && !isThere(test)).map((test) => `${name} ${test}`);
  });
}

function sources() {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => /\.(rs|ts|mjs|json)$/.test(name))
      .map((name) => join(folder, name))
      .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(root, path), "utf8") })),
  );
}
