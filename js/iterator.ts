import type { Delivery } from "./delivery.js";
import type { DeliveredEvent } from "./event.js";

/**
 * `for await` over a subscription: a handler for every type that settles an event when the next one is asked for.
 *
 * A loop that is left (`break`, `return`, a throw in its body) says nothing about the event that it held, so that event
 * fails and comes again; call `event.confirm()` before leaving if it was applied.
 */
export class EventIterator implements AsyncIterableIterator<DeliveredEvent> {
  readonly #delivery: Delivery;
  readonly #detach: () => void;
  readonly #onFinish: () => void;
  /** The event that the loop's body is working on. */
  #current: { event: DeliveredEvent; release: () => void } | undefined;
  #waiting: { resolve(result: IteratorResult<DeliveredEvent>): void; reject(error: unknown): void } | undefined;
  #end: { error?: unknown } | undefined;

  constructor(delivery: Delivery, onFinish: () => void) {
    this.#delivery = delivery;
    this.#onFinish = onFinish;
    this.#detach = delivery.handle(
      "*",
      (event) => this.#take(event),
      undefined,
      () => this.#waiting !== undefined,
    );
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<DeliveredEvent>> {
    this.#release();
    if (this.#end) return this.#ended(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting?.reject(new TypeError("next() was called again before the previous call had settled"));
      this.#waiting = { resolve, reject };
      queueMicrotask(() => this.#delivery.wake());
    });
  }

  return(): Promise<IteratorResult<DeliveredEvent>> {
    if (!this.#delivery.settings.manual) {
      this.#current?.event.fail("the loop was left before the event was confirmed");
    }
    this.#release();
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** No more events come. An error reaches the loop once; then it is just over. */
  finish(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#detach();
    this.#onFinish();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.#ended(this.#end).then(waiting.resolve, waiting.reject);
  }

  #take(event: DeliveredEvent): Promise<void> {
    return new Promise((release) => {
      this.#current = { event, release };
      this.#waiting?.resolve({ done: false, value: event });
      this.#waiting = undefined;
    });
  }

  #release(): void {
    this.#current?.release();
    this.#current = undefined;
  }

  async #ended(end: { error?: unknown }): Promise<IteratorResult<DeliveredEvent>> {
    if ("error" in end) {
      const { error } = end;
      delete end.error;
      throw error;
    }
    return { done: true, value: undefined };
  }
}
