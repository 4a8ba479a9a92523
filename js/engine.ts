import init, { Engine, newId } from "./ackwire.js";
import { AckwireError, describe } from "./errors.js";
import type { WasmSource } from "./options.js";

export { Engine, newId };

let loading: Promise<unknown> | undefined;

/** Loads the WebAssembly, once for the page. A failure is forgotten, so that the next call tries again. */
export async function loadEngine(source: WasmSource | undefined): Promise<void> {
  loading ??= init(source === undefined ? undefined : { module_or_path: source });
  try {
    await loading;
  } catch (thrown) {
    loading = undefined;
    throw new AckwireError("wasm_load_failed", `ackwire_bg.wasm could not be loaded: ${describe(thrown)}`, thrown);
  }
}
