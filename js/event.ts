import type { AckwireEvent, FailOptions, Priority } from "./types.js";

/** An event as it stands in a frame. */
export interface WireEvent {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly data: unknown;
  readonly priority?: Priority;
  readonly attempt?: number;
  readonly meta?: Record<string, string>;
}

/** Whom an event belongs to. */
interface Owner {
  readonly settings: { readonly stream: string };
  readonly replayedUpto: number;
  confirm(event: DeliveredEvent): void;
  fail(event: DeliveredEvent, error: unknown, options: FailOptions): void;
}

const NO_META: Readonly<Record<string, string>> = Object.freeze({});

/** An event that was handed to handlers. Settled at most once. */
export class DeliveredEvent implements AckwireEvent {
  declare readonly stream: string;
  declare readonly seq: number;
  declare readonly id: string;
  declare readonly type: string;
  declare readonly time: number;
  declare readonly data: unknown;
  declare readonly meta: Readonly<Record<string, string>>;
  declare readonly priority: Priority;
  declare readonly attempt: number;
  declare readonly replayed: boolean;
  /** Who hears of the outcome; nobody once it is known or no longer matters. */
  #owner: Owner | undefined;

  constructor(owner: Owner, event: WireEvent) {
    this.stream = owner.settings.stream;
    this.seq = event.seq;
    this.id = event.id;
    this.type = event.type;
    this.time = event.time;
    this.data = event.data;
    this.meta = event.meta ?? NO_META;
    this.priority = event.priority ?? "normal";
    this.attempt = event.attempt ?? 1;
    this.replayed = event.seq <= owner.replayedUpto;
    this.#owner = owner;
  }

  /** Whether its outcome is still open. */
  get isOpen(): boolean {
    return this.#owner !== undefined;
  }

  confirm(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.confirm(this);
  }

  fail(error: unknown, options: FailOptions = {}): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.fail(this, error, options);
  }

  /** From now on its outcome does not matter. */
  abandon(): void {
    this.#owner = undefined;
  }
}
