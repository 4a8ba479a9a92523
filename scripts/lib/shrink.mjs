// Makes what wasm-bindgen wrote smaller than wasm-opt alone can, without a change to what it does.
import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";
import { output, run } from "./run.mjs";
import { Failure } from "./step.mjs";

/** The features that rustc turns on by default; wasm-opt refuses what it is not told of. */
const FEATURES = [
  "bulk-memory",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
];
const enabled = FEATURES.map((name) => `--enable-${name}`);

/** Flattening and building the control flow anew twice takes 1 % off what -Oz alone leaves. */
const REBUILD = ["--flatten", "--rereloop", "-Oz"];
const OPTIMISE = [...REBUILD, ...REBUILD, "--converge"];

/**
 * What only makes up the message of a panic. In the browser a panic's message is never shown: the program traps, before
 * and after, and this way it traps at once.
 */
const PANICS = [
  /^core(\[\w+\])?::(panicking|option|result|cell|slice|str)::.*(panic|failed|fail)/,
  /^alloc(\[\w+\])?::(raw_vec|alloc)::.*(handle_error|handle_alloc_error|capacity_overflow)/,
  /^std(\[\w+\])?::panicking::/,
];

/**
 * Optimises `wasm` in place and gives its imports and exports short names, in the `glue` as well. `named` gets the same
 * program with its functions' names, for the size report.
 */
export async function shrink(wasm, glue, named) {
  const code = readFileSync(glue, "utf8");
  const used = new Set(Array.from(code.matchAll(/\bwasm\.(\w+)/g), ([, name]) => name));
  writeFileSync(named, trapAtOnce(readFileSync(wasm), used));
  await run("wasm-opt", [...enabled, ...OPTIMISE, "--debuginfo", named, "-o", named]);
  const strip = ["--strip-producers", "--strip-debug", "--strip-target-features"];
  strip.push("--minify-imports-and-exports-and-modules");
  const renamed = await output("wasm-opt", [...enabled, ...strip, named, "-o", wasm]);
  writeFileSync(glue, rename(code, JSON.parse(renamed)));
}

/** Panics become traps, and exports that the glue does not use go. */
function trapAtOnce(bytes, used) {
  const program = binaryen.readBinary(bytes);
  for (let index = 0; index < program.getNumFunctions(); index++) {
    const reference = program.getFunctionByIndex(index);
    const { name, base, body } = binaryen.getFunctionInfo(reference);
    const neverReturns = !base && binaryen.getExpressionType(body) === binaryen.unreachable;
    if (neverReturns && PANICS.some((panic) => panic.test(name))) {
      binaryen.Function(reference).setBody(program.unreachable());
    }
  }
  const exported = Array.from({ length: program.getNumExports() }, (_, index) => program.getExportByIndex(index));
  for (const { name } of exported.map(binaryen.getExportInfo)) {
    if (!used.has(name)) program.removeExport(name);
  }
  binaryen.setDebugInfo(true);
  return program.emitBinary();
}

/** Says in the glue what wasm-opt has renamed. */
function rename(code, { imports, exports }) {
  const exported = new Map(exports);
  let left = imports.length;
  const imported = new Map(imports.map(([, name, short]) => [name, short]));
  const renamed = code
    .replace(/\bwasm\.(\w+)/g, (_, name) => `wasm.${exported.get(name)}`)
    .replace(/^( +)(\w+): function/gm, (whole, indent, name) => {
      if (!imported.has(name)) return whole;
      left--;
      return `${indent}${imported.get(name)}: function`;
    })
    .replace(`"${imports[0][0]}":`, "a:");
  if (left > 0 || renamed.includes("wasm.undefined")) {
    throw new Failure(
      "The glue of wasm-bindgen looks otherwise than scripts/lib/shrink.mjs thinks: imports are left over.",
    );
  }
  return renamed;
}
