/** The application of the benchmark: takes the events of one stream, and checks each. */
export class Ledger {
  /** How many events came, and the first that was not the one expected. */
  count = 0;
  wrong;
  #next = 1;
  #characters = 0;
  #onEvent;

  /** Expects the numbers from 1 on; calls `onEvent(n, data)` after each event. */
  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  /** The handler. It looks at what the application would look at. */
  take = ({ data }) => {
    const { n, text } = data;
    if (n !== this.#next) this.wrong ??= `event ${n} came where ${this.#next} was due`;
    this.#next = n + 1;
    this.count += 1;
    this.#characters += text.length;
    this.#onEvent(n, data);
  };

  /** The mean length of the texts: what was sent was read. */
  get meanLength() {
    return this.count === 0 ? 0 : this.#characters / this.count;
  }
}
