// Every suite of `npm test`, in the order in which they run: what fails fastest comes first.
import { browser } from "./browser.mjs";
import { lint } from "./lint.mjs";
import { packages } from "./packages.mjs";
import { rust } from "./rust.mjs";
import { wasm } from "./wasm.mjs";

/** Each takes the result to count into, and throws a `Failure` if anything failed. */
export const suites = { lint, rust, wasm, browser, packages };
