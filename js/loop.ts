/**
 * How long handlers may run before the page gets a turn, in milliseconds: half a frame at 60 Hz, so that input and
 * painting are not felt to wait while thousands of events are replayed.
 */
const SLICE_MS = 8;

/** Something with events to hand to handlers. */
export interface Pumpable {
  /** Hands over events until none may go or `until` is past; then returns true. Both times are by `performance.now()`. */
  pump(now: number, until: number): boolean;
}

/**
 * Calls the application's code: notices first, in order, then events, one subscription after the other, in slices.
 *
 * Nothing of the engine is borrowed or half done while this runs: whatever the application calls only queues more.
 */
export class Loop {
  readonly #notices: (() => void)[] = [];
  readonly #ready = new Set<Pumpable>();
  #running = false;
  #yielding = false;
  #sliceEnd = 0;

  /** Queues a notice. */
  tell(notice: () => void): void {
    this.#notices.push(notice);
  }

  /** Queues a subscription that may have events to hand over. */
  wake(pumpable: Pumpable): void {
    this.#ready.add(pumpable);
  }

  /** The browser has begun a new task, so a new slice begins. */
  startTask(): void {
    this.#sliceEnd = performance.now() + SLICE_MS;
    this.run();
  }

  /** Works off what is queued. A call from within, or while the page has its turn, leaves it to the outer one. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      do {
        for (let notice = this.#notices.shift(); notice; notice = this.#notices.shift()) notice();
      } while (this.#pumpOne() || this.#notices.length > 0);
    } finally {
      this.#running = false;
    }
  }

  /** Returns whether something may have changed. */
  #pumpOne(): boolean {
    const [pumpable] = this.#ready;
    if (!pumpable || this.#yielding) return false;
    const now = performance.now();
    if (now > this.#sliceEnd) {
      this.#yield();
      return false;
    }
    // Behind the others, if it has more to do.
    this.#ready.delete(pumpable);
    if (pumpable.pump(now, this.#sliceEnd)) this.#ready.add(pumpable);
    return true;
  }

  /** A message channel gives the page its turn without the delay, and the throttling in the background, of a timer. */
  #yield(): void {
    this.#yielding = true;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      this.#yielding = false;
      this.startTask();
    };
    port2.postMessage(null);
  }
}
