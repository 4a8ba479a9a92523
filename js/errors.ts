/**
 * Why something failed. Stable: later versions add codes and change none.
 *
 * - Yours to fix in code: `invalid_url`, `invalid_option`, `invalid_argument`, `already_subscribed`,
 *   `too_many_subscriptions`, `closed`.
 * - The environment: `wasm_load_failed`, `storage_unavailable`.
 * - The connection, for good: `forbidden`, `replaced`, `token_refused`, `tries_exhausted`.
 * - The connection, for now: `token_failed`, `server_misbehaved`, `frame_too_large`.
 * - A publish: `outbox_full`, `too_large`, and what the server answers.
 */
export type AckwireErrorCode =
  | "invalid_url"
  | "invalid_option"
  | "invalid_argument"
  | "already_subscribed"
  | "too_many_subscriptions"
  | "closed"
  | "wasm_load_failed"
  | "storage_unavailable"
  | "forbidden"
  | "replaced"
  | "token_refused"
  | "tries_exhausted"
  | "token_failed"
  | "server_misbehaved"
  | "frame_too_large"
  | "outbox_full"
  | "too_large"
  | "invalid_stream"
  | "invalid_request"
  | "unknown_stream"
  | "unknown_event"
  | "too_many_requests"
  | "stream_ended"
  | "unavailable"
  | "other";

const REMEDIATION: Record<AckwireErrorCode, string> = {
  invalid_url: "Pass the socket's absolute address, such as wss://example.com/v1/socket.",
  invalid_option: "Correct the option that the message names.",
  invalid_argument: "Correct the argument that the message names.",
  already_subscribed: "Keep the subscription that you have, or unsubscribe it first.",
  too_many_subscriptions: "Unsubscribe streams that are not needed, or raise the server's limit.",
  closed: "Create a new Ackwire: a closed one stays closed.",
  wasm_load_failed:
    "See that ackwire_bg.wasm is served beside the package's JavaScript, or pass its address or bytes in the option `wasm`.",
  storage_unavailable: "Nothing need be done: until the page is reloaded everything works from memory.",
  forbidden: "Give the client a token that allows this, then connect again.",
  replaced: 'Give each tab that is open at the same time its own consumer name; the default, "tab", does.',
  token_refused: "See that the token callback returns a token that is fresh and meant for this server.",
  tries_exhausted: "Call connect() again, or leave the option `maxTries` out.",
  token_failed: "Look at the cause: the token callback threw or rejected. It is asked again at the next try.",
  server_misbehaved: "Compare the server's version of the protocol with this client's (ackwire.v1).",
  frame_too_large: "Send less in one publish, or raise the server's limit for frames.",
  outbox_full: "Wait for earlier publishes to resolve before sending more.",
  too_large: "Send less in one publish, or raise the server's limit.",
  invalid_stream: "Stream names have 1 to 200 characters of A-Z a-z 0-9 _ . : / -",
  invalid_request: "Correct what the message names.",
  unknown_stream: "Create the stream by appending its first event, then connect again.",
  unknown_event: "Confirm only events that were sent to this consumer.",
  too_many_requests: "Send less often.",
  stream_ended: "Send to another stream: this one is complete.",
  unavailable: "Try again later: the server's log cannot be reached now.",
  other: "Look into the server's documentation of this code: this client does not know it.",
};

/** Every error of this package: a stable `code`, a `message` in words, and what to do about it. */
export class AckwireError extends Error {
  override readonly name = "AckwireError";
  /** What kind of failure it is; decide by this, never by the message. */
  readonly code: AckwireErrorCode;
  /** What to do about it, in a sentence. */
  readonly remediation: string;

  constructor(code: AckwireErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.remediation = REMEDIATION[code] ?? REMEDIATION.other;
  }
}

/** What was thrown, in words; also for values that are no `Error` or refuse to be printed. */
export function describe(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    return "an error that cannot be printed";
  }
}

/** Reports what a listener threw as an uncaught error would be, without disturbing who called it. */
export function reportUncaught(thrown: unknown): void {
  if (typeof reportError === "function") {
    reportError(thrown);
  } else {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
