import type { LostReason, State } from "./types.js";

// What the engine says by number. Each list has the order of its enumeration in Rust; a test there compares them.

/** `State` in `src/receive/output.rs`. */
export const STATES: readonly State[] = ["idle", "connecting", "connected", "waiting", "closed", "failed"];

/** `StateReason` in `src/receive/output.rs`. */
export const REASONS = [
  "application",
  "welcome",
  "retry",
  "wake",
  "socket_closed",
  "silent",
  "connect_timeout",
  "token_failed",
  "token_refused",
  "tries_exhausted",
  "drain",
  "server_misbehaved",
  "gap_stuck",
] as const;

/** `ErrorCode` in `src/wire/server.rs`, then the others of `Trouble`. */
export const CODES = [
  "invalid_stream",
  "invalid_request",
  "forbidden",
  "unknown_stream",
  "unknown_event",
  "too_many_subscriptions",
  "too_many_requests",
  "too_large",
  "stream_ended",
  "unavailable",
  "other",
  "server_misbehaved",
  "protocol_violation",
  "frame_too_large",
  "token_failed",
] as const;

/** `Phrase` in `src/receive/phrase.rs`. */
export const PHRASES = [
  "",
  "a second `welcome`",
  "a frame before `welcome`",
  "`events` out of order or outside their range",
  "`events` with after > upto",
  "more events than the window grants [AW-SEND-4]",
  "`lost` with an empty range",
  "the message is larger than a frame that the server takes",
  "events.events[].id",
  "silent",
  "connect_timeout",
  "drain",
  "server_misbehaved",
  "gap_stuck",
] as const;

/** `LostReason` in `src/wire/server.rs`. */
export const LOST_REASONS: readonly LostReason[] = ["expired", "compacted", "failed"];
