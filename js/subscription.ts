import { Delivery, type Handler } from "./delivery.js";
import { Emitter, type ListenOptions, type Off } from "./emitter.js";
import { type AckwireError, describe, reportUncaught } from "./errors.js";
import type { DeliveredEvent, WireEvent } from "./event.js";
import { EventIterator } from "./iterator.js";
import type { Loop } from "./loop.js";
import { checkName, invalid, type SubscribeSettings } from "./options.js";
import { Input, type Shell } from "./shell.js";
import { positionsOf, readStats } from "./stats.js";
import type { AckwireEvent, FailOptions, Positions, Subscription, SubscriptionNotices } from "./types.js";

/** What a subscription needs of its client. */
export interface SubscriptionOwner {
  readonly loop: Loop;
  /** Calls the engine, if there is one, then the application. */
  enter(call: (shell: Shell) => void): void;
  /** Asks the engine, if there is one. */
  read<T>(look: (shell: Shell) => T): T | undefined;
  /** Takes an error that the subscription's application does not listen to. */
  error(error: AckwireError): void;
  forget(subscription: StreamSubscription): void;
}

const NOTICES: Record<keyof SubscriptionNotices, true> = {
  subscribed: true,
  gap: true,
  repaired: true,
  lost: true,
  reset: true,
  ended: true,
  failed: true,
  error: true,
};

const NOWHERE: Positions = { epoch: null, received: 0, delivered: 0, confirmed: 0 };

export class StreamSubscription implements Subscription<Record<string, unknown>> {
  readonly settings: SubscribeSettings;
  readonly delivery: Delivery;
  /** The engine's number for it; 0 until the engine is there, and after the end. */
  id = 0;

  /** What the handlers of failed events said, by seq, until these come again or are given up. */
  readonly errors = new Map<number, string>();

  readonly #owner: SubscriptionOwner;
  readonly #emitter = new Emitter<SubscriptionNotices>();
  readonly #iterators = new Set<EventIterator>();
  #ended: { seq: number } | undefined;
  #isOver = false;

  constructor(owner: SubscriptionOwner, settings: SubscribeSettings & { concurrency: number }, manual: boolean) {
    this.settings = settings;
    this.#owner = owner;
    const { stream, concurrency } = settings;
    this.delivery = new Delivery({ stream, concurrency, manual }, owner.loop, this, this);
  }

  get stream(): string {
    return this.settings.stream;
  }

  get position(): Positions {
    const { id, stream } = this;
    const all =
      id > 0 ? this.#owner.read((shell) => readStats(shell.stats(), (number) => shell.name(number))) : undefined;
    const known = all?.subscriptions.find((held) => held.stream === stream);
    return known ? positionsOf(known) : NOWHERE;
  }

  handle(type: string, handler: (event: never) => unknown, { signal }: ListenOptions = {}): Off {
    if (type !== "*") checkName("type", type, 100, "invalid_argument");
    if (typeof handler !== "function") throw invalid("handler", "is a function", handler, "invalid_argument");
    return this.delivery.handle(type, handler as Handler, signal);
  }

  on<Name extends keyof SubscriptionNotices>(
    name: Name,
    listener: (notice: SubscriptionNotices[Name]) => void,
    options?: ListenOptions,
  ): Off {
    if (!Object.hasOwn(NOTICES, name)) {
      const rule = `is one of ${Object.keys(NOTICES).join(", ")}; the stream's own events are for \`handle\``;
      throw invalid("name", rule, name, "invalid_argument");
    }
    return this.#emitter.on(name, listener, options);
  }

  unsubscribe(): void {
    const { id } = this;
    if (!this.#isOver) this.#owner.forget(this);
    this.delivery.report();
    this.end();
    if (id > 0) this.#owner.enter((shell) => shell.unsubscribe(id, this.stream));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<AckwireEvent> {
    const iterator = new EventIterator(this.delivery, () => this.#iterators.delete(iterator));
    if (this.#isOver) iterator.finish();
    else this.#iterators.add(iterator);
    return iterator;
  }

  // --- told by the client ---

  deliver(events: readonly WireEvent[], start: number, end: number): void {
    if (this.errors.size > 0) for (const { seq } of events.slice(start, end)) this.errors.delete(seq);
    this.delivery.add(events, start, end);
  }

  notice<Name extends "subscribed" | "gap" | "repaired" | "lost" | "reset">(
    name: Name,
    notice: SubscriptionNotices[Name],
  ): void {
    if (name === "subscribed") {
      this.delivery.replayedUpto = (notice as SubscriptionNotices["subscribed"]).replayedUpto;
    } else if (name === "lost") {
      const { after, upto } = notice as SubscriptionNotices["lost"];
      this.delivery.abandon({ after, upto });
      for (const seq of this.errors.keys()) if (after < seq && seq <= upto) this.errors.delete(seq);
    } else if (name === "reset") {
      this.#ended = undefined;
      this.errors.clear();
      this.delivery.abandon();
    }
    this.#emitter.emit(name, notice);
  }

  /** The application hears of it when the last event is handled. */
  complete(seq: number): void {
    this.#ended = { seq };
    this.#owner.loop.wake(this.delivery);
  }

  refuse(error: AckwireError): void {
    if (!this.#emitter.emit("error", error)) this.#owner.error(error);
    this.stopIterators(error);
  }

  /** Over, for whatever reason: nothing more is handed over. */
  end(): void {
    this.#isOver = true;
    this.id = 0;
    this.delivery.close();
    this.stopIterators();
  }

  stopIterators(error?: AckwireError): void {
    for (const iterator of this.#iterators) iterator.finish(error);
  }

  // --- told by the delivery ---

  confirmRun(after: number, upto: number): void {
    const { id } = this;
    if (id > 0) this.#owner.enter((shell) => shell.hand([Input.ConfirmRun, 0, id, after, upto]));
  }

  confirm({ seq, attempt }: DeliveredEvent): void {
    const { id } = this;
    if (id > 0) this.#owner.enter((shell) => shell.hand([Input.Confirm, 0, id, seq, attempt]));
  }

  fail({ seq, attempt }: DeliveredEvent, error: unknown, { retry = true }: FailOptions): void {
    const { id } = this;
    if (id > 0) this.#owner.enter((shell) => shell.fail(id, seq, attempt, describe(error), retry));
  }

  handlerFailed(event: DeliveredEvent, error: unknown): void {
    if (!this.#emitter.emit("failed", { event, error })) reportUncaught(error);
  }

  idle(): void {
    const ended = this.#ended;
    if (!ended) return;
    this.#ended = undefined;
    this.#emitter.emit("ended", ended);
    this.stopIterators();
  }
}
