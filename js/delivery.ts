import { type Off, offOnAbort } from "./emitter.js";
import { DeliveredEvent, type WireEvent } from "./event.js";
import type { Loop, Pumpable } from "./loop.js";
import type { FailOptions, Range } from "./types.js";

/** What a delivery reports; the client passes it on to the engine. */
export interface Settling {
  /** Every event delivered in (after, upto] that is not settled yet is confirmed. */
  confirmRun(after: number, upto: number): void;
  confirm(event: DeliveredEvent): void;
  fail(event: DeliveredEvent, error: unknown, options: FailOptions): void;
}

/** What a delivery tells its subscription. */
export interface DeliveryObserver {
  /** A handler threw or rejected. */
  handlerFailed(event: DeliveredEvent, error: unknown): void;
  /** Nothing is queued and no handler is running. */
  idle(): void;
}

export interface DeliverySettings {
  readonly stream: string;
  /** How many events may be with their handlers at a time. */
  readonly concurrency: number;
  /** Whether only the application confirms. */
  readonly manual: boolean;
}

export type Handler = (event: DeliveredEvent) => unknown;

/**
 * Most events that go between two looks at the clock: a look costs as much as a quick handler. Handlers that become slow
 * from one event to the next may hold the page up for so many calls, once.
 */
const MAX_STRIDE = 8;

/** Says whether an event may be handed over now. */
export type Gate = () => boolean;

/** Consecutive events of one frame. */
interface Run {
  events: readonly WireEvent[];
  next: number;
  end: number;
}

/**
 * Hands the events of one subscription to its handlers, in order, and settles them.
 *
 * Events wait while there is no handler at all; they are never confirmed unseen because the page was not ready.
 */
export class Delivery implements Pumpable {
  readonly settings: DeliverySettings;
  /** Events up to this seq are history. */
  replayedUpto = 0;
  /** Events that no handler matched. */
  unhandled = 0;

  readonly #loop: Loop;
  readonly #settling: Settling;
  readonly #observer: DeliveryObserver;
  #runs: Run[] = [];
  // Arrays are replaced, never changed, so that a handler may come or go while they are called.
  readonly #handlers = new Map<string, readonly Handler[]>();
  /** By type: its handlers, then those of every type. */
  #matching = new Map<string, readonly Handler[]>();
  /** The type that came last, and its handlers. */
  #type: unknown;
  #current: readonly Handler[] = [];
  #gates: readonly Gate[] = [];
  /** Events of one run that were handled at once and are not reported yet: (after, upto]; none while `upto` is -1. */
  readonly #handled = { after: -1, upto: -1 };
  /** Events whose handlers have not settled. */
  readonly #running = new Set<DeliveredEvent>();

  constructor(settings: DeliverySettings, loop: Loop, settling: Settling, observer: DeliveryObserver) {
    this.settings = settings;
    this.#loop = loop;
    this.#settling = settling;
    this.#observer = observer;
  }

  /** Attaches a handler, and a gate that holds every event back while it says no. */
  handle(type: string, handler: Handler, signal?: AbortSignal, gate?: Gate): Off {
    if (signal?.aborted) return () => {};
    this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler]);
    this.#match();
    if (gate) this.#gates = [...this.#gates, gate];
    // Not before the current task's other handlers are attached as well.
    queueMicrotask(() => this.wake());
    return offOnAbort(() => {
      const rest = this.#handlers.get(type)?.filter((held) => held !== handler) ?? [];
      if (rest.length > 0) this.#handlers.set(type, rest);
      else this.#handlers.delete(type);
      this.#match();
      this.#gates = this.#gates.filter((held) => held !== gate);
      this.wake();
    }, signal);
  }

  /** Queues `events[start..end]`. */
  add(events: readonly WireEvent[], start: number, end: number): void {
    this.#runs.push({ events, next: start, end });
    this.#loop.wake(this);
  }

  /** Looks again whether events may go. */
  wake(): void {
    this.#loop.wake(this);
    this.#loop.run();
  }

  /** Gives up what is queued or running in the range, or everywhere: it is not handed over and not awaited. */
  abandon(range?: Range): void {
    const gone = ({ seq }: { seq: number }) => !range || (range.after < seq && seq <= range.upto);
    for (const run of this.#runs) {
      run.events = run.events.slice(run.next, run.end).filter((event) => !gone(event));
      run.next = 0;
      run.end = run.events.length;
    }
    for (const event of this.#running) {
      if (gone(event)) {
        event.abandon();
        this.#running.delete(event);
      }
    }
    this.#loop.wake(this);
  }

  /** Reports what was handled and is not reported yet: before the engine is asked to flush, or to end. */
  report(): void {
    const { after, upto } = this.#handled;
    if (upto < 0) return;
    this.#handled.upto = -1;
    this.#settling.confirmRun(after, upto);
  }

  /** Gives up everything, for good. */
  close(): void {
    this.#handlers.clear();
    this.#match();
    this.abandon();
  }

  pump(now: number, until: number): boolean {
    const { concurrency, manual } = this.settings;
    let [looked, stride, left] = [now, 1, 1];
    let more = false;
    while (this.#running.size < concurrency && this.#isOpen()) {
      const run = this.#runs[0];
      if (!run) break;
      if (run.next === run.end) {
        this.report();
        this.#runs.shift();
        continue;
      }
      if (left === 0) {
        const now = performance.now();
        if (now > until) {
          more = true;
          break;
        }
        // Twice as many, if at this pace they are done in time: only the last event may run over.
        stride = 2 * (now - looked) < until - now ? Math.min(2 * stride, MAX_STRIDE) : 1;
        [looked, left] = [now, stride];
      }
      left--;
      const event = new DeliveredEvent(this, run.events[run.next++] as WireEvent);
      const outcome = this.#call(event);
      if (outcome === undefined && !manual && event.isOpen) {
        if (this.#handled.upto < 0) this.#handled.after = event.seq - 1;
        this.#handled.upto = event.seq;
        event.abandon();
        continue;
      }
      this.report();
      if (outcome instanceof Failure) this.#failed(event, outcome.error);
      else if (outcome) this.#await(event, outcome);
    }
    this.report();
    if (this.#runs.length === 0 && this.#running.size === 0) this.#observer.idle();
    return more;
  }

  /** Called by the event. */
  confirm(event: DeliveredEvent): void {
    this.#settling.confirm(event);
  }

  /** Called by the event. */
  fail(event: DeliveredEvent, error: unknown, options: FailOptions): void {
    this.#settling.fail(event, error, options);
  }

  #match(): void {
    // Equal to no type, not even to one that is missing.
    this.#type = Number.NaN;
    const any = this.#handlers.get("*") ?? [];
    this.#matching = new Map(this.#handlers);
    for (const [type, handlers] of this.#handlers) {
      if (type !== "*") this.#matching.set(type, [...handlers, ...any]);
    }
  }

  #isOpen(): boolean {
    return this.#handlers.size > 0 && this.#gates.every((gate) => gate());
  }

  /** Calls every handler that matches. Returns nothing when all have returned, or what is to be waited for. */
  #call(event: DeliveredEvent): undefined | Failure | Promise<void> {
    const { type } = event;
    // Looking up a text that came with a frame takes longer than comparing it, and events of a type come together.
    if (type !== this.#type) {
      this.#type = type;
      this.#current = this.#matching.get(type) ?? this.#matching.get("*") ?? [];
    }
    if (this.#current.length === 0) this.unhandled++;
    // Made when needed: this runs for every event.
    let failure: Failure | undefined;
    let pending: PromiseLike<unknown>[] | undefined;
    for (const handler of this.#current) {
      try {
        const result = handler(event);
        if (isThenable(result)) {
          pending ??= [];
          pending.push(result);
        }
      } catch (thrown) {
        failure ??= new Failure(thrown);
      }
    }
    return pending ? allSettled(pending, failure) : failure;
  }

  /** In the manual mode too the next event waits for the handler, though not for the confirmation. */
  #await(event: DeliveredEvent, outcome: Promise<void>): void {
    this.#running.add(event);
    outcome.then(
      () => {
        if (!this.#running.delete(event)) return;
        if (!this.settings.manual) event.confirm();
        this.wake();
      },
      (error: unknown) => {
        if (!this.#running.delete(event)) return;
        this.#failed(event, error);
        this.wake();
      },
    );
  }

  #failed(event: DeliveredEvent, error: unknown): void {
    event.fail(error);
    this.#loop.tell(() => this.#observer.handlerFailed(event, error));
  }
}

class Failure {
  constructor(readonly error: unknown) {}
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Waits for all, then fails with the first failure if there was one. */
async function allSettled(pending: PromiseLike<unknown>[], failure: Failure | undefined): Promise<void> {
  const results = await Promise.allSettled(pending);
  if (failure) throw failure.error;
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}
