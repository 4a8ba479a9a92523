import { begin, close, end, hand, heap, ids, initSync, newId, numbers, open, send, stats, watch } from "./ackwire.js";
import { AckwireError, describe } from "./errors.js";
import type { WasmSource } from "./options.js";

/** A random id (a version 4 UUID), for consumers and published events; only once the engine is loaded. */
export { newId };

let loading: Promise<unknown> | undefined;

/** Loads the WebAssembly, once for the page. A failure is forgotten, so that the next call tries again. */
export async function loadEngine(source?: WasmSource): Promise<void> {
  loading ??= compile(source).then((module) => initSync({ module }));
  try {
    await loading;
  } catch (thrown) {
    loading = undefined;
    throw new AckwireError("wasm_load_failed", `ackwire_bg.wasm could not be loaded: ${describe(thrown)}`, thrown);
  }
}

/** Not while it is streaming: that would want the right MIME type, and gains nothing for so small a program. */
async function compile(source: WasmSource = new URL("ackwire_bg.wasm", import.meta.url)): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  const response =
    source instanceof Response
      ? source
      : typeof source === "string" || source instanceof URL
        ? await fetch(source)
        : new Response(source);
  if (!response.ok) throw new Error(`HTTP ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

let view = new Float64Array();
const encoder = new TextEncoder();

/** A client in WebAssembly: `src/web/engine.rs`. */
export class Engine {
  readonly #number: number;

  /** `happened` is told what happens in the browser: an event, or nothing when the timer fires, and of which socket. */
  constructor(list: readonly number[], happened: (event: Event | undefined, socket: number) => void) {
    write(list);
    this.#number = begin(happened);
  }

  /** Hands in an input, with the ids of events. Returns the answer and what is to be done. */
  input(list: readonly number[], words: string): number[] {
    let bytes = 0;
    if (words) {
      const at = ids(words.length * 3);
      bytes = encoder.encodeInto(words, new Uint8Array(floats().buffer, at)).written;
    }
    write(list);
    const at = hand(this.#number, bytes) / 8;
    const read = floats();
    const output: number[] = [];
    for (let next = 1; next <= (read[at] as number); next++) output.push(read[at + next] as number);
    return output;
  }

  stats(): readonly number[] {
    return stats(this.#number);
  }

  /** Listens to the page. */
  watch(): void {
    watch(this.#number);
  }

  /** Opens a socket in place of the one before; throws what the browser throws. */
  open(socket: number, url: string): void {
    open(this.#number, socket, url);
  }

  close(socket: number, code: number, reason: string): void {
    close(this.#number, socket, code, reason);
  }

  send(socket: number, text: string): void {
    send(this.#number, socket, text);
  }

  /** Lets go of the browser. */
  end(): void {
    end(this.#number);
  }
}

function write(list: readonly number[]): void {
  const at = numbers(list.length) / 8;
  floats().set(list, at);
}

/** The memory; as it grows, what was seen of it before is empty. */
function floats(): Float64Array {
  if (view.length === 0) view = new Float64Array(heap().buffer);
  return view;
}
