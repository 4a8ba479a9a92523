export { Ackwire } from "./client.js";
export type { ListenOptions, Off } from "./emitter.js";
export { AckwireError, type AckwireErrorCode } from "./errors.js";
export type {
  AckwireOptions,
  Filter,
  From,
  KeyValueStore,
  SubscribeOptions,
  TokenSource,
  WasmSource,
} from "./options.js";
export type { PublishOptions } from "./outbox.js";
export type { Subscription } from "./subscription.js";
export type {
  AckwireEvent,
  ClientNotices,
  EventOf,
  FailOptions,
  LostReason,
  Position,
  Positions,
  Priority,
  Published,
  Range,
  State,
  StateChange,
  Stats,
  SubscriptionNotices,
  SubscriptionStats,
} from "./types.js";
