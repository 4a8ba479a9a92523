// What a run has started and made, to be undone at its end, the newest first.

export class Scope {
  #undos = [];

  after(undo) {
    this.#undos.push(undo);
  }

  /** Undoes everything, whatever fails on the way. */
  async close() {
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        console.error(`while cleaning up: ${error.message}`);
      }
    }
  }
}
