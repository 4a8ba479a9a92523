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
  return forgetPlaces(program);
}

/** What a panic says, and where it is: nobody reads them any more. */
const MESSAGES = [
  "slice index starts at ",
  " but ends at ",
  "index out of bounds: the len is ",
  " but the index is ",
  "range start index ",
  "range end index ",
  " out of range for slice of length ",
  "insertion index (is ",
  ") should be <= len (is ",
  "removal index (is ",
  ") should be < len (is ",
  "capacity overflow",
  "internal error: entered unreachable code: ",
  "Tried to shrink to a larger capacity",
];

/** Zeroes the places of panics (`Location`: a file's name and its length, line, column) and their messages. */
function forgetPlaces(program) {
  const binary = Buffer.from(program.emitBinary());
  for (let number = 0; number < program.getNumDataSegments(); number++) {
    const { offset, data } = program.getDataSegmentInfo(program.getDataSegmentByIndex(number));
    const bytes = Buffer.from(data);
    const at = binary.indexOf(bytes);
    const segment = binary.subarray(at, at + bytes.length);
    const word = (index) => segment.readUInt32LE(index);
    for (let index = (4 - (offset % 4)) % 4; index + 16 <= segment.length; index += 4) {
      const [from, length] = [word(index) - offset, word(index + 4)];
      const file = bytes.subarray(from, from + length).toString("latin1");
      if (from < 0 || !/^[\w./-]+\.rs$/.test(file)) continue;
      segment.fill(0, index, index + 16);
      segment.fill(0, from, from + length);
    }
    for (const message of MESSAGES) {
      for (let from = segment.indexOf(message); from >= 0; from = segment.indexOf(message)) {
        segment.fill(0, from, from + message.length);
      }
    }
  }
  return binary;
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
