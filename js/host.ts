import { AckwireError, type AckwireErrorCode } from "./errors.js";
import type { WireEvent } from "./event.js";
import type { Loop } from "./loop.js";
import type { StreamSubscription } from "./subscription.js";
import type { LostReason, Published, State, StateChange } from "./types.js";

/** What the client does with what the engine says. */
export interface HostTarget {
  subscription(id: number): StreamSubscription | undefined;
  state(change: StateChange): void;
  error(code: string, message: string): void;
  published(stream: string, published: Published): void;
  rejected(stream: string, id: string, code: string, message: string): void;
  flushed(): void;
  askToken(): void;
  keepCheckpoint(text: string): void;
}

/**
 * What the engine calls while it drains its outputs. Each call only queues: the application runs when the engine is
 * done. The methods and the order of their parameters are those of `Host` in `src/web/host.rs`.
 */
export class EngineHost {
  readonly #loop: Loop;
  readonly #target: HostTarget;

  constructor(loop: Loop, target: HostTarget) {
    this.#loop = loop;
    this.#target = target;
  }

  deliver(subscription: number, events: readonly WireEvent[], start: number, end: number): void {
    this.#tell(subscription, (held) => held.deliver(events, start, end));
  }

  state(
    current: State,
    previous: State,
    reason: string,
    detail: string | undefined,
    code: number | undefined,
    retryInMs: number | undefined,
  ): void {
    const change: StateChange = {
      current,
      previous,
      reason,
      ...(detail ? { detail } : {}),
      ...(code === undefined ? {} : { code }),
      ...(retryInMs === undefined ? {} : { retryInMs }),
    };
    this.#loop.tell(() => this.#target.state(change));
  }

  subscribed(subscription: number, epoch: string, after: number, head: number, replayedUpto: number): void {
    this.#tell(subscription, (held) => held.notice("subscribed", { epoch, after, head, replayedUpto }));
  }

  range(subscription: number, name: "gap" | "repaired", after: number, upto: number): void {
    this.#tell(subscription, (held) => held.notice(name, { after, upto }));
  }

  lost(subscription: number, after: number, upto: number, reason: LostReason): void {
    this.#tell(subscription, (held) => held.notice("lost", { after, upto, reason }));
  }

  reset(subscription: number, voidEpoch: string, voidSeq: number, epoch: string, seq: number): void {
    const notice = { void: { epoch: voidEpoch, seq: voidSeq }, position: { epoch, seq } };
    this.#tell(subscription, (held) => held.notice("reset", notice));
  }

  ended(subscription: number, seq: number): void {
    this.#tell(subscription, (held) => held.complete(seq));
  }

  published(stream: string, id: string, seq: number, duplicate: boolean): void {
    this.#loop.tell(() => this.#target.published(stream, { id, seq, duplicate }));
  }

  rejected(stream: string, id: string, code: string, message: string): void {
    this.#loop.tell(() => this.#target.rejected(stream, id, code, message));
  }

  error(code: string, message: string, subscription: number | undefined): void {
    if (subscription === undefined) this.#loop.tell(() => this.#target.error(code, message));
    else this.#tell(subscription, (held) => held.refuse(new AckwireError(code as AckwireErrorCode, message)));
  }

  flushed(): void {
    this.#loop.tell(() => this.#target.flushed());
  }

  askToken(): void {
    this.#loop.tell(() => this.#target.askToken());
  }

  keepCheckpoint(text: string): void {
    this.#target.keepCheckpoint(text);
  }

  wake(): void {
    this.#loop.startTask();
  }

  /** A subscription that has ended meanwhile hears nothing. */
  #tell(id: number, notice: (subscription: StreamSubscription) => void): void {
    this.#loop.tell(() => {
      const held = this.#target.subscription(id);
      if (held) notice(held);
    });
  }
}
