import { AckwireError, describe } from "./errors.js";
import type { KeyValueStore } from "./options.js";

/**
 * A store that never fails: what the browser refuses (private mode, quota, a sandbox, a worker) is kept in memory, and
 * said once.
 */
export class Store implements KeyValueStore {
  readonly #memory = new Map<string, string>();
  readonly #backing: KeyValueStore | undefined;
  readonly #onTrouble: (error: AckwireError) => void;
  #isTroubled = false;

  /** `open` may throw, as `window.sessionStorage` does in a sandbox. Without it everything stays in memory. */
  constructor(open: (() => KeyValueStore) | undefined, onTrouble: (error: AckwireError) => void) {
    this.#onTrouble = onTrouble;
    this.#backing = open && this.#try(open);
  }

  getItem(key: string): string | null {
    return this.#memory.get(key) ?? this.#try(() => this.#backing?.getItem(key)) ?? null;
  }

  setItem(key: string, value: string): void {
    const isStored = this.#try(() => {
      this.#backing?.setItem(key, value);
      return this.#backing !== undefined;
    });
    if (isStored) this.#memory.delete(key);
    else this.#memory.set(key, value);
  }

  #try<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (thrown) {
      if (!this.#isTroubled) {
        this.#isTroubled = true;
        const message = `positions and the consumer's name cannot be stored, a reload will not know them: ${describe(thrown)}`;
        this.#onTrouble(new AckwireError("storage_unavailable", message, thrown));
      }
      return undefined;
    }
  }
}
