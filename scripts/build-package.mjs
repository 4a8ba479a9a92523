// Builds what users install: dist/ with one minified module, the WebAssembly beside it, and the types.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { minify } from "terser";
import { dist, inner, root, target } from "./lib/paths.mjs";
import { run } from "./lib/run.mjs";
import { shrink } from "./lib/shrink.mjs";
import { main } from "./lib/step.mjs";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const wasm = join(dist, "ackwire_bg.wasm");
const glue = join(dist, "ackwire.js");

await main(async () => {
  rmSync(dist, { recursive: true, force: true });
  const triple = "wasm32-unknown-unknown";
  // As a cdylib alone: beside an rlib, cargo leaves link-time optimisation out.
  const crate = ["--package", "ackwire", "--lib", "--crate-type", "cdylib"];
  // Where panics stand is in the program: not with the paths of the machine that built it.
  const home = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const env = { CARGO_ENCODED_RUSTFLAGS: `--remap-path-prefix=${home}=` };
  await run("cargo", ["rustc", ...crate, "--profile", "wasm", "--target", triple], { env });
  const built = join(target, triple, "wasm", "ackwire.wasm");
  await run("wasm-bindgen", [
    "--target",
    "web",
    "--encode-into",
    "always",
    "--out-dir",
    dist,
    "--out-name",
    "ackwire",
    built,
  ]);
  mkdirSync(inner, { recursive: true });
  await shrink(wasm, glue, join(inner, "ackwire.wasm"));
  await run("tsc", ["--project", "tsconfig.json"]);
  await bundle();
  // It is inside the bundle now; the size report looks at it.
  renameSync(glue, join(inner, "ackwire.js"));
  removeInnerTypes();
});

/**
 * One module: a plain page loads it without a chain of imports, and a bundler still finds the wasm by its `new URL`.
 * Terser takes 4 % off what esbuild leaves.
 */
async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [join(root, "js/index.ts")],
    outfile: join(dist, "index.js"),
    bundle: true,
    minify: true,
    sourcemap: "external",
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
    define: { ACKWIRE_VERSION: JSON.stringify(version) },
    plugins: [
      {
        name: "glue",
        setup: (building) => building.onResolve({ filter: /^\.\/ackwire\.js$/ }, () => ({ path: glue })),
      },
    ],
  });
  const [map, module] = outputFiles.sort((one, other) => other.path.length - one.path.length);
  const { code, map: shrunkMap } = await minify(module.text, {
    module: true,
    ecma: 2022,
    compress: { passes: 3 },
    sourceMap: { content: map.text, url: "index.js.map" },
  });
  writeFileSync(module.path, code);
  writeFileSync(map.path, shrunkMap);
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
