// `npm run size`: what a page downloads, per entry point of the package, and what it is made of.
// Fails over the budget; `npm test` checks that as well.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { buildPackage, ensureBuildTools } from "./build.mjs";
import { dist, inner, root } from "./lib/paths.mjs";
import { output } from "./lib/run.mjs";
import { bold, dim, Failure, green, main, red, say } from "./lib/step.mjs";
import { ensureTwiggy } from "./setup/cargo-tools.mjs";

/**
 * The most that an entry point may weigh with its WebAssembly, in bytes with brotli. It stands a little above what was
 * reached: lower it with every step towards the aim.
 */
const BUDGET = { ".": 31_650 };
/** Where it shall come to: all of the default entry point. */
const AIM = 16 * 1024;

const named = join(inner, "ackwire.wasm");
const KINDS = { raw: (bytes) => bytes, gzip: (bytes) => gzipSync(bytes, { level: 9 }), brotli: brotliCompressSync };

/** Throws if an entry point weighs more than its budget; returns what each weighs. */
export function checkSize() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entries = Object.entries(exports).filter(([, target]) => target.default);
  const weighed = entries.map(([entry, target]) => weigh(entry, join(root, target.default)));
  for (const { entry, brotli } of weighed) {
    const budget = BUDGET[entry];
    if (!budget) throw new Failure(`The entry point "${entry}" has no budget: give it one in scripts/size.mjs.`);
    if (brotli > budget) throw new Failure(`"${entry}" is ${brotli} bytes with brotli; its budget is ${budget}.`);
  }
  return weighed;
}

/** An entry point's module, with the WebAssembly that it loads. */
function weigh(entry, module) {
  const text = readFileSync(module, "utf8");
  const loaded = Array.from(text.matchAll(/new URL\("([^"]+\.wasm)"/g), ([, name]) => join(dirname(module), name));
  const files = [Buffer.from(text), ...loaded.map((path) => readFileSync(path))];
  return { entry, module, brotli: files.reduce((sum, bytes) => sum + sizes(bytes).brotli, 0) };
}

function sizes(bytes) {
  return Object.fromEntries(Object.entries(KINDS).map(([kind, pack]) => [kind, pack(bytes).length]));
}

async function report() {
  const wasm = sizes(readFileSync(join(dist, "ackwire_bg.wasm")));
  const glue = await bundled({ path: join(inner, "ackwire.js") });
  for (const { entry, module, brotli } of checkSize()) {
    const whole = sizes(readFileSync(module));
    const facade = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, whole[kind] - glue[kind]]));
    console.log(`\n${bold(`"${entry}"`)}${" ".repeat(24)}${Object.keys(KINDS).map(column).join("")}`);
    for (const [part, size] of Object.entries({ wasm, glue, facade })) {
      console.log(`  ${part.padEnd(25)}${Object.values(size).map(column).join("")}`);
    }
    const reached = brotli <= AIM ? green("reached") : red(`${brotli - AIM} to go`);
    console.log(`  ${"together".padEnd(45)}${bold(column(brotli))}`);
    console.log(`  ${"budget, and the aim".padEnd(45)}${column(BUDGET[entry])}${column(AIM)}  ${reached}`);
  }
  await madeOf();
}

const column = (value) => String(value).padStart(10);

/** The glue as esbuild writes it. What the facade weighs is the rest of the module: they are compressed as one. */
async function bundled({ path }) {
  // Not at the top: `npm test` reads this module before the npm packages are there.
  const { build } = await import("esbuild");
  const contents = `export { begin, end, hand, heap, ids, initSync, numbers, stats } from ${JSON.stringify(path)}`;
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false, legalComments: "none" };
  const { outputFiles } = await build({ stdin: { contents, resolveDir: root }, ...options });
  return sizes(outputFiles[0].contents);
}

/** Bytes of the WebAssembly by the module that they come from, not compressed; what is inlined counts where it landed. */
async function madeOf() {
  const listed = await output("twiggy", ["top", "-n", "100000", "-f", "json", named]);
  const sums = new Map();
  const items = JSON.parse(listed).filter(({ name }) => !name.includes("subsection"));
  for (const { name, shallow_size: size } of items) {
    const from = origin(name);
    sums.set(from, (sums.get(from) ?? 0) + size);
  }
  console.log(bold("\nThe WebAssembly by module"));
  const largestFirst = [...sums].sort(([, a], [, b]) => b - a);
  for (const [from, size] of largestFirst.slice(0, 30)) console.log(`${column(size)}  ${from}`);
  console.log(`${column(largestFirst.slice(30).reduce((sum, [, size]) => sum + size, 0))}  the rest`);
  console.log(bold("\nIts largest functions"));
  const largest = items.filter(({ name }) => !name.startsWith("data segment")).slice(0, 25);
  for (const { name, shallow_size: size } of largest) console.log(`${column(size)}  ${dim(plain(name).slice(0, 100))}`);
}

/** `crate::module` of a function, with two modules for what is ours; what is no function by its kind. */
function origin(name) {
  const path = plain(name)
    .match(/[a-z_]\w*(::[a-z_]\w*)+/)?.[0]
    .split("::");
  if (path) return path.slice(0, path[0] === "ackwire" ? 3 : 2).join("::");
  return /^(engine_|newId)/.test(name) ? "exported to the facade" : "imports and data";
}

/** Without hashes. */
function plain(name) {
  return name.replace(/\[[0-9a-f]{16}\]|::h[0-9a-f]{16}/g, "");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await ensureBuildTools();
    await ensureTwiggy();
    await buildPackage();
    say("Weighing the package");
    await report();
  });
}
