const memories = [];

/** Notes the memory of every module that is instantiated from now on as the package does it; it has no reason to show it. */
export function keepMemories() {
  WebAssembly.Instance = class extends WebAssembly.Instance {
    constructor(...args) {
      super(...args);
      memories.push(...Object.values(this.exports).filter((value) => value instanceof WebAssembly.Memory));
    }
  };
}

/** What they hold together. */
export const wasmBytes = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
