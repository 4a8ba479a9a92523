import { reportUncaught } from "./errors.js";

/** How to listen. */
export interface ListenOptions {
  /** Stops listening when aborted. Default: none. */
  signal?: AbortSignal | undefined;
}

/** Takes a handler or listener away again; calling it twice is harmless. */
export type Off = () => void;

/** Calls `off` when the signal aborts; forgets the signal when `off` is called first. */
export function offOnAbort(off: Off, signal: AbortSignal | undefined): Off {
  if (!signal) return off;
  if (signal.aborted) {
    off();
    return off;
  }
  const both = () => {
    signal.removeEventListener("abort", both);
    off();
  };
  signal.addEventListener("abort", both);
  return both;
}

/** Listeners by the name of the notice. A listener that throws disturbs nobody: its error is reported as uncaught. */
export class Emitter<M extends object> {
  // Replaced, never changed: who is being called now is not affected by who comes and goes meanwhile.
  readonly #listeners = new Map<keyof M, readonly ((notice: never) => void)[]>();

  on<N extends keyof M>(name: N, listener: (notice: M[N]) => void, { signal }: ListenOptions = {}): Off {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    const off = () => {
      const rest = this.#listeners.get(name)?.filter((held) => held !== listener);
      if (rest) this.#listeners.set(name, rest);
    };
    return offOnAbort(off, signal);
  }

  /** Returns whether anybody listened. */
  emit<N extends keyof M>(name: N, notice: M[N]): boolean {
    const listeners = this.#listeners.get(name) ?? [];
    for (const listener of listeners) {
      try {
        (listener as (notice: M[N]) => void)(notice);
      } catch (thrown) {
        reportUncaught(thrown);
      }
    }
    return listeners.length > 0;
  }
}
