import type { ListenOptions, Off } from "./emitter.js";
import type { AckwireError } from "./errors.js";

/** How soon a confirmation of an event is wanted. */
export type Priority = "critical" | "high" | "normal" | "low";

/** How the handling of one event failed. */
export interface FailOptions {
  /** Whether the server shall send the event again. Default: true. */
  retry?: boolean;
}

/** One event of a stream, as handlers get it. */
export interface AckwireEvent<Data = unknown, Type extends string = string> {
  /** The stream that it belongs to. */
  readonly stream: string;
  /** Its place in the stream: grows, with or without holes. */
  readonly seq: number;
  /** The producer's name for it, unique in the stream. */
  readonly id: string;
  /** What kind of event it is. */
  readonly type: Type;
  /** When it was made, in milliseconds since 1970, by the producer's or the log's clock. For people: nothing is decided by it. */
  readonly time: number;
  /** What the producer said. */
  readonly data: Data;
  /** Strings that travel with it, such as `run_id`. */
  readonly meta: Readonly<Record<string, string>>;
  /** How soon its confirmation is wanted. */
  readonly priority: Priority;
  /** Which delivery this is: 1, or more after a failure. */
  readonly attempt: number;
  /** Whether it is history: it was in the log already when the subscription (or its latest connection) began. */
  readonly replayed: boolean;
  /**
   * Says that the event is applied. With `confirm: "manual"` this is the only way to confirm; otherwise it confirms
   * before the handlers have settled, whatever they do afterwards. The first of `confirm` and `fail` counts.
   */
  confirm(): void;
  /** Says that handling failed: the server sends the event again, later and with a higher `attempt`. */
  fail(error: unknown, options?: FailOptions): void;
}

/** The events of a stream by type: a discriminated union on `type`. */
export type EventOf<Events extends object> = {
  [Type in keyof Events & string]: AckwireEvent<Events[Type], Type>;
}[keyof Events & string];

/** Where in a stream: the incarnation of its log, and a place in it. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** How far a subscription has come. Each is a `seq`; 0 is before the first event. */
export interface Positions {
  /** Which log; `null` until the server has said. */
  readonly epoch: string | null;
  /** The highest seq heard of. */
  readonly received: number;
  /** Everything up to here was handed to handlers, skipped on purpose, or declared lost. */
  readonly delivered: number;
  /** Everything up to here is confirmed, or accounted for otherwise. */
  readonly confirmed: number;
}

/** A part of a stream: after `after`, up to and with `upto`. */
export interface Range {
  readonly after: number;
  readonly upto: number;
}

/** Why a range never comes: retention or compaction took it, or it failed for good for this consumer. */
export type LostReason = "expired" | "compacted" | "failed";

/** What happens to a stream, by the name to give to `run.on`. */
export interface SubscriptionNotices {
  /** The server has stated where the feed begins: after each connection. */
  subscribed: { epoch: string; after: number; head: number; replayedUpto: number };
  /** Events are missing and were asked for. */
  gap: Range;
  /** What was missing has come. */
  repaired: Range;
  /** These events never come. Those of them that were handed over and not settled are given up: their outcome is ignored. */
  lost: Range & { reason: LostReason };
  /** The log is another than before, or lost its end: what was built from `void` may be wrong; the feed goes on at `position`. */
  reset: { void: Position; position: Position };
  /** The stream is complete, and every event of it has been handled. */
  ended: { seq: number };
  /** A handler threw or rejected. Without a listener the error is reported as uncaught. */
  failed: { event: AckwireEvent; error: unknown };
  /** The server refused this subscription, or said that something is wrong with it. */
  error: AckwireError;
}

/**
 * One stream, being received. Made by `client.subscribe`.
 *
 * Events wait, here and on the server, until the first handler is attached or the first loop asks; handlers attached in
 * the same task all see the first event. From then on an event that no handler matches is confirmed, and counted as
 * unhandled.
 */
export interface Subscription<Events extends object = Record<string, unknown>> extends AsyncIterable<EventOf<Events>> {
  /** The stream's name. */
  readonly stream: string;
  /** How far it has come. */
  readonly position: Positions;
  /**
   * Handles events of a type, or of every type (`"*"`). All handlers that match an event run for it, those of its type
   * first. When all have returned, and every promise that they returned has settled, the event is confirmed; if one
   * threw or rejected, it failed, and the server sends it again. The next event waits for that (see `concurrency`).
   */
  handle(type: "*", handler: (event: EventOf<Events>) => unknown, options?: ListenOptions): Off;
  handle<Type extends keyof Events & string>(
    type: Type,
    handler: (event: AckwireEvent<Events[Type], Type>) => unknown,
    options?: ListenOptions,
  ): Off;
  /** Listens to what happens to the stream; see {@link SubscriptionNotices}. */
  on<Name extends keyof SubscriptionNotices>(
    name: Name,
    listener: (notice: SubscriptionNotices[Name]) => void,
    options?: ListenOptions,
  ): Off;
  /** Ends it: what is settled is confirmed, the rest is left for the consumer's next subscription. */
  unsubscribe(): void;
  /**
   * Every event, one at a time: an event is confirmed when the next one is asked for. The loop ends with the stream,
   * or with the subscription; it throws when the connection has failed for good. A loop that is left early fails the
   * event that it held, so that it comes again: call `event.confirm()` before `break`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<EventOf<Events>>;
}

/** How a client stands. `failed` is given up: only `connect()` begins anew. */
export type State = "idle" | "connecting" | "connected" | "waiting" | "closed" | "failed";

/** The connection's state has changed. */
export interface StateChange {
  readonly current: State;
  readonly previous: State;
  /**
   * Why: `application`, `welcome`, `retry`, `wake`, `socket_closed`, `silent`, `connect_timeout`, `token_failed`,
   * `token_refused`, `tries_exhausted`, `drain`, `server_misbehaved`, `gap_stuck`.
   */
  readonly reason: string;
  /** What the server or the token callback said, as far as it said something. */
  readonly detail?: string;
  /** The socket's close code, when the reason is `socket_closed`. */
  readonly code?: number;
  /** In how many milliseconds the next try is due, while `waiting`. */
  readonly retryInMs?: number;
}

/** What happens to a client, by the name to give to `client.on`. */
export interface ClientNotices {
  /** The connection's state has changed. */
  state: StateChange;
  /**
   * Something failed beyond a single call: the connection for good, a token, a subscription, the storage. Without a
   * listener it is written to the console.
   */
  error: AckwireError;
}

/** What a subscription has seen since it began. */
export interface SubscriptionStats extends Positions {
  readonly stream: string;
  /** Handed over and not settled. */
  readonly unsettled: number;
  /** Held behind a gap. */
  readonly held: number;
  /** Events handed to handlers, repeats after a failure included, and events confirmed. */
  readonly delivered_events: number;
  readonly confirmed_events: number;
  /** Events that no handler matched; they are confirmed. */
  readonly unhandled: number;
  /** Handlers that failed. */
  readonly failed: number;
  /** Events that came again, and were not handed over again. */
  readonly duplicates: number;
  /** Events suppressed because their id was known under another seq. */
  readonly suppressed: number;
  /** Gaps that were asked for, and gaps that were filled. */
  readonly gaps: number;
  readonly repaired: number;
  /** Requests to send again. */
  readonly resends: number;
  /** Ranges declared lost. */
  readonly lost: number;
  readonly resets: number;
}

/** A client's counters, as a snapshot. */
export interface Stats {
  readonly state: State;
  /** Connections that were welcomed. */
  readonly connections: number;
  /** Frames of a type that this version does not know. */
  readonly unknown_frames: number;
  /** Frames of an older socket, or for no subscription. */
  readonly stale_frames: number;
  /** Frames sent that confirm, and that report failures. */
  readonly acks: number;
  readonly nacks: number;
  /** Publishes that wait for their answer. */
  readonly outbox: number;
  readonly subscriptions: readonly SubscriptionStats[];
}

/** Where the log has what was published. */
export interface Published {
  readonly id: string;
  readonly seq: number;
  /** Whether the log had an event of this id already. */
  readonly duplicate: boolean;
}
