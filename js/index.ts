export { Ackwire } from "./client.js";
export type { ListenOptions, Off } from "./emitter.js";
export { AckwireError, type AckwireErrorCode } from "./errors.js";
export type {
  AckwireOptions,
  Filter,
  From,
  KeyValueStore,
  PublishOptions,
  SubscribeOptions,
  TokenSource,
  WasmSource,
} from "./options.js";
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
  Subscription,
  SubscriptionNotices,
  SubscriptionStats,
} from "./types.js";
