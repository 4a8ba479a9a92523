// Builds what users install: dist/ with one minified module, the WebAssembly beside it, and the types.
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { root, target } from "./lib/paths.mjs";
import { run } from "./lib/run.mjs";
import { main, say } from "./lib/step.mjs";

const dist = join(root, "dist");
const wasm = join(dist, "ackwire_bg.wasm");
const glue = join(dist, "ackwire.js");

await main(async () => {
  rmSync(dist, { recursive: true, force: true });
  const triple = "wasm32-unknown-unknown";
  // As a cdylib alone: beside an rlib, cargo leaves link-time optimisation out.
  const crate = ["--package", "ackwire", "--lib", "--crate-type", "cdylib"];
  await run("cargo", ["rustc", ...crate, "--profile", "wasm", "--target", triple]);
  const built = join(target, triple, "wasm", "ackwire.wasm");
  await run("wasm-bindgen", ["--target", "web", "--out-dir", dist, "--out-name", "ackwire", built]);
  // The features that rustc turns on by default; wasm-opt refuses what it is not told of.
  const features = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types"];
  const enabled = [...features, "sign-ext"].map((name) => `--enable-${name}`);
  await run("wasm-opt", ["-Oz", "--converge", ...enabled, "--strip-producers", wasm, "-o", wasm]);
  await run("tsc", ["--project", "tsconfig.json"]);
  await bundle();
  // It is inside the bundle now.
  rmSync(glue);
  removeInnerTypes();
  report();
});

/** One module: a plain page loads it without a chain of imports, and a bundler still finds the wasm by its `new URL`. */
async function bundle() {
  await build({
    entryPoints: [join(root, "js/index.ts")],
    outfile: join(dist, "index.js"),
    bundle: true,
    minify: true,
    sourcemap: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
    plugins: [
      {
        name: "glue",
        setup: (building) => building.onResolve({ filter: /^\.\/ackwire\.js$/ }, () => ({ path: glue })),
      },
    ],
  });
}

/** Leaves only the types that the package's own refer to: users' compilers need not understand the rest. */
function removeInnerTypes() {
  const reached = new Set(["index.d.ts"]);
  for (const name of reached) {
    for (const [, next] of readFileSync(join(dist, name), "utf8").matchAll(/from "\.\/(.+)\.js"/g)) {
      reached.add(`${next}.d.ts`);
    }
  }
  for (const name of readdirSync(dist)) {
    if (name.endsWith(".d.ts") && !reached.has(name)) rmSync(join(dist, name));
  }
}

/** What a page downloads. */
function report() {
  const files = ["index.js", "ackwire_bg.wasm"];
  const sizes = files.map((name) => {
    const path = join(dist, name);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
    return { name, bytes: statSync(path).size, brotli: brotliCompressSync(readFileSync(path), { params }).length };
  });
  for (const { name, bytes, brotli } of sizes) say(`${name}: ${bytes} bytes, ${brotli} with brotli`);
  say(`together: ${sizes.reduce((sum, { brotli }) => sum + brotli, 0)} bytes with brotli`);
}
