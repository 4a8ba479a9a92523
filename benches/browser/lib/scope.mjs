/** Ends what was started in it, in reverse. */
export class Scope {
  #ends = [];

  after(end) {
    this.#ends.push(end);
  }

  async close() {
    while (this.#ends.length > 0) await this.#ends.pop()();
  }
}
