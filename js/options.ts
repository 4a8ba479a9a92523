import { AckwireError, describe } from "./errors.js";
import type { Position } from "./types.js";

/** The token, or how to get one: asked before each connection, and again before a token runs out. */
export type TokenSource = string | (() => string | Promise<string>);

/** Where the package's WebAssembly comes from. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

/** A place for a few short texts; `localStorage` and `sessionStorage` are such. */
export interface KeyValueStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Options of a client. */
export interface AckwireOptions {
  /** Sent when the connection opens, never in the address. Default: none, for servers without authentication. */
  token?: TokenSource;
  /**
   * Whose confirmations are tracked. `"tab"`: this tab, across reloads; a duplicated tab becomes another consumer.
   * `"device"`: this browser; of several tabs the newest is connected. Anything else is the name itself: 1 to 128
   * characters of `A–Z a–z 0–9 _ . : / -`. Default: `"tab"`; a worker has no tab and should be given a name.
   */
  consumer?: string;
  /**
   * Where the consumer's name and the positions stay across a reload. Default: `sessionStorage`, or `localStorage`
   * for the consumer `"device"`. `"memory"` keeps nothing across a reload.
   */
  storage?: "memory" | KeyValueStore;
  /** Where ackwire_bg.wasm is, or what it is. Default: beside the package's JavaScript. */
  wasm?: WasmSource;
  /**
   * How long to wait between tries to connect: a random time up to `baseMs`, doubled at each try up to `maxMs`.
   * Default: 500 and 30,000; each 1 to 3,600,000.
   */
  backoff?: { baseMs?: number; maxMs?: number };
  /** After how many failed tries in a row to give up; 1 or more. Default: never. */
  maxTries?: number;
  /** How long a try may take, until the server has welcomed the client: 100 to 600,000 ms. Default: 15,000. */
  connectTimeoutMs?: number;
  /**
   * How long a confirmation may wait for others to travel with: 0 to 10,000 ms. Default: 50. That of an event that settles
   * alone, with nothing before it for so long, does not wait.
   */
  ackDelayMs?: number;
  /** How long missing events may be merely late, before they are asked for: 0 to 10,000 ms. Default: 50. */
  reorderDelayMs?: number;
  /** How long the server may take to answer a ping before the connection counts as dead: 100 to 60,000 ms. Default: 5,000. */
  probeTimeoutMs?: number;
}

/** Where a subscription begins. */
export type From = "start" | "now" | "resume" | Position;

/** Which events are wanted. */
export interface Filter {
  /** Their types. Default: all. */
  types?: readonly string[];
  /** Entries of `meta` that must be equal. Default: none. */
  meta?: Readonly<Record<string, string>>;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /**
   * `"resume"`: after what this consumer has confirmed, or from the start. `"start"`: the oldest event that the log
   * has. `"now"`: after its newest. A position: after that, which says that everything up to it is applied.
   * Default: `"resume"`.
   */
  from?: From;
  /**
   * How much the server may send before confirmations come: 1 to 10,000 events and 1,024 to 67,108,864 bytes.
   * Of a large window the server uses 256 events at first, and more while confirmations come within a second.
   * Default: 1,024 and 1,048,576.
   */
  window?: { events?: number; bytes?: number };
  /** Which events are wanted. Default: all. */
  filter?: Filter;
  /** How many events may be with their asynchronous handlers at a time: 1 to 10,000. Default: 1, strictly in order. */
  concurrency?: number;
  /** `"auto"`: an event is confirmed when its handlers have settled. `"manual"`: by `event.confirm()` only. Default: `"auto"`. */
  confirm?: "auto" | "manual";
  /** Unsubscribes when aborted. Default: none. */
  signal?: AbortSignal | undefined;
}

/** How to publish. */
export interface PublishOptions {
  /** The event's id: 1 to 128 bytes without control characters; the stream's log takes an id once. Default: a random UUID. */
  id?: string;
  /** Strings that travel with the event, at most 16. Default: none. */
  meta?: Readonly<Record<string, string>>;
  /** Ends the waiting, not the sending. Default: none. */
  signal?: AbortSignal;
}

/** A client's options, complete: numbers in the order in which the engine reads them. */
export type Settings = readonly [
  backoffBaseMs: number,
  backoffMaxMs: number,
  /** 0 for without a limit. */
  maxTries: number,
  connectTimeoutMs: number,
  ackDelayMs: number,
  reorderDelayMs: number,
  probeTimeoutMs: number,
  hasToken: number,
];

const HOUR_MS = 3_600_000;
export const NAME = /^[A-Za-z0-9_.:/-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what an id may not hold
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
/** Parameters that look like a secret [AW-CONN-3]. */
const SECRET = /^(access_?|auth_?|id_?)?(token|jwt|secret|password|api_?key)$/i;

/** Checks a socket's address. */
export function checkUrl(given: string | URL): string {
  let url: URL;
  try {
    url = new URL(given);
  } catch (cause) {
    throw new AckwireError("invalid_url", `the url is no absolute address; given: ${print(given)}`, cause);
  }
  const wrong = (what: string) => new AckwireError("invalid_url", `the url ${what}`);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw wrong(`begins with ws:// or wss://; given: ${print(url.protocol)}`);
  }
  if (url.username || url.password) throw wrong("holds a user name or password, which others could read");
  if (url.hash) throw wrong(`has a fragment, which sockets do not take; given: ${print(url.hash)}`);
  for (const name of url.searchParams.keys()) {
    if (SECRET.test(name)) {
      throw wrong(`holds a secret in its parameter ${print(name)}, where logs would show it; use the option \`token\``);
    }
  }
  return url.href;
}

/** Checks a client's options. */
export function checkOptions(options: AckwireOptions): Settings {
  const { token, consumer, storage, backoff = {} } = options;
  if (token !== undefined && typeof token !== "function" && (typeof token !== "string" || token === "")) {
    // What was given stays unsaid: it may be a secret.
    throw invalid("token", "is a text that is not empty, or a function that returns one", typeof token);
  }
  if (consumer !== undefined) checkName("consumer", consumer, 128);
  if (storage !== undefined && storage !== "memory" && typeof (storage as KeyValueStore)?.setItem !== "function") {
    throw invalid("storage", 'is "memory" or has getItem and setItem, as localStorage has', storage);
  }
  const backoffBaseMs = integer("backoff.baseMs", backoff.baseMs, 500, 1, HOUR_MS);
  return [
    backoffBaseMs,
    integer("backoff.maxMs", backoff.maxMs, Math.max(30_000, backoffBaseMs), backoffBaseMs, HOUR_MS),
    options.maxTries === Infinity ? 0 : integer("maxTries", options.maxTries, 0, 1, 1_000_000_000),
    integer("connectTimeoutMs", options.connectTimeoutMs, 15_000, 100, 600_000),
    integer("ackDelayMs", options.ackDelayMs, 50, 0, 10_000),
    integer("reorderDelayMs", options.reorderDelayMs, 50, 0, 10_000),
    integer("probeTimeoutMs", options.probeTimeoutMs, 5_000, 100, 60_000),
    token === undefined ? 0 : 1,
  ];
}

/** A subscription's options, complete, as the shell wants them. */
export interface SubscribeSettings {
  readonly stream: string;
  /** Empty when it begins at (epoch, seq). */
  readonly from: string;
  readonly epoch: string;
  readonly seq: number;
  readonly windowEvents: number;
  readonly windowBytes: number;
  /** As it was given: later changes to it do not count. Nothing for all. */
  readonly filter: object | undefined;
}

/** Checks what `subscribe` was given. */
export function checkSubscribe(stream: string, options: SubscribeOptions): SubscribeSettings & { concurrency: number } {
  checkName("stream", stream, 200, "invalid_argument");
  const { from = "resume", window = {}, filter = {}, confirm = "auto" } = options;
  const position = typeof from === "object" && from !== null ? from : undefined;
  if (position ? !isPosition(position) : from !== "start" && from !== "now" && from !== "resume") {
    throw invalid("from", 'is "start", "now", "resume" or a position {epoch, seq}', from);
  }
  if (confirm !== "auto" && confirm !== "manual") throw invalid("confirm", 'is "auto" or "manual"', confirm);
  const { types, meta = {} } = filter;
  if (types !== undefined && !Array.isArray(types)) throw invalid("filter.types", "is a list of event types", types);
  for (const type of types ?? []) checkName("filter.types", type, 100);
  for (const [key, value] of Object.entries(meta)) {
    if (typeof value !== "string") throw invalid(`filter.meta.${key}`, "is a text", value);
  }
  return {
    stream,
    from: position ? "" : (from as string),
    epoch: position?.epoch ?? "",
    seq: position?.seq ?? 0,
    windowEvents: integer("window.events", window.events, 1024, 1, 10_000),
    windowBytes: integer("window.bytes", window.bytes, 1024 * 1024, 1024, 64 * 1024 * 1024),
    filter: options.filter && { types: types && [...types], meta: { ...meta } },
    concurrency: integer("concurrency", options.concurrency, 1, 1, 10_000),
  };
}

/** Checks a name: 1 to `max` characters of `A–Z a–z 0–9 _ . : / -`. */
export function checkName(
  option: string,
  name: unknown,
  max: number,
  code: "invalid_option" | "invalid_argument" = "invalid_option",
): void {
  if (typeof name !== "string" || name.length > max || !NAME.test(name)) {
    throw invalid(option, `has 1 to ${max} characters of A-Z a-z 0-9 _ . : / -`, name, code);
  }
}

/** An error that names the option or argument, its rule, and what was given. */
export function invalid(
  option: string,
  rule: string,
  given: unknown,
  code: "invalid_option" | "invalid_argument" = "invalid_option",
): AckwireError {
  const kind = code === "invalid_option" ? "option" : "argument";
  return new AckwireError(code, `the ${kind} \`${option}\` ${rule}; given: ${print(given)}`);
}

function integer(option: string, given: number | undefined, fallback: number, min: number, max: number): number {
  if (given === undefined) return fallback;
  if (!Number.isInteger(given) || given < min || given > max) {
    throw invalid(option, `is an integer from ${min} to ${max}`, given);
  }
  return given;
}

function isPosition({ epoch, seq }: Position): boolean {
  return isEpoch(epoch) && Number.isSafeInteger(seq) && seq >= 0;
}

/** Whether it may be a log's name. */
export function isEpoch(epoch: unknown): epoch is string {
  return typeof epoch === "string" && /^[\w-]{1,64}$/.test(epoch);
}

/** Whether it may be an event's id. */
export function isId(id: unknown): id is string {
  return typeof id === "string" && id !== "" && new TextEncoder().encode(id).length <= 128 && !CONTROL.test(id);
}

function print(given: unknown): string {
  const text =
    typeof given === "string" ? JSON.stringify(given) : typeof given === "object" ? json(given) : String(given);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function json(given: unknown): string {
  try {
    return JSON.stringify(given) ?? String(given);
  } catch (thrown) {
    return describe(thrown);
  }
}
