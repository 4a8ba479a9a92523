import type { WireEvent } from "./event.js";
import { isEpoch, isId, NAME } from "./options.js";
import { CODES, LOST_REASONS } from "./words.js";

/** The numbers by which the engine knows texts. */
export interface Numbers {
  /** Of a name; a new one if it has none. */
  of(name: string): number;
  /** Of a name; 0 if it has none. */
  find(name: string): number;
  /** Of a publish that waits for its answer; 0 if none does. */
  publish(stream: string, id: string): number;
}

/** A frame that is checked. */
export interface Frame {
  readonly type: string;
  /** What the engine wants to know of it, in the order of `frame` in `src/web/input.rs`. */
  readonly numbers: number[];
  /** The ids of its events, one a line; or what it says in words. */
  readonly words: string;
  /** Those of an `events` frame. */
  readonly events?: readonly WireEvent[];
}

type Fields = Record<string, unknown>;
/** Checks a field, and appends what the engine wants to know of it. False if it is wrong, or a text that says which is. */
type Field = (value: unknown, into: number[], numbers: Numbers, frame: Fields) => boolean | string;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isText = (value: unknown): value is string => typeof value === "string";
const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isInteger = (value: unknown): value is number => isSeq(value) && value < 2 ** 32;

const name =
  (max: number): Field =>
  (value, into, numbers) =>
    isText(value) && value.length <= max && NAME.test(value) && into.push(numbers.of(value)) > 0;
const place =
  (list: readonly string[]): Field =>
  (value, into) =>
    into.push(list.indexOf(value as string)) > 0 && list.includes(value as string);
const shape =
  (fields: Record<string, Field>): Field =>
  (value, into, numbers) => {
    if (!isObject(value)) return false;
    for (const [name, field] of Object.entries(fields)) {
      const found = field(value[name], into, numbers, value);
      if (found !== true) return found || name;
    }
    return true;
  };
/** `null` is as good as absent. */
const optional =
  (field: Field): Field =>
  (value, into, ...rest) =>
    into.push(value == null ? 0 : 1) > 0 && (value == null || field(value, into, ...rest));

const seq: Field = (value, into) => isSeq(value) && into.push(value) > 0;
const integer: Field = (value, into) => isInteger(value) && into.push(value) > 0;
const flag: Field = (value, into) => typeof value === "boolean" && into.push(+value) > 0;
const stream = name(200);
const epoch: Field = (value, into, numbers) => isEpoch(value) && into.push(numbers.of(value)) > 0;
const code: Field = (value, into) => isText(value) && into.push((CODES as readonly string[]).indexOf(value)) > 0;
const lost = { after: seq, upto: seq, reason: place(LOST_REASONS) };

/** In the order of their numbers, from 20 on. */
const FRAMES: Record<string, Field> = {
  ping: shape({}),
  pong: shape({}),
  welcome: shape({
    connection: isText,
    consumer: (value) => isText(value) && value.length <= 128 && NAME.test(value),
    heartbeat_ms: integer,
    max_frame_bytes: integer,
    token_expires_in_ms: optional(seq),
    server: shape({ name: isText, version: isText }),
  }),
  subscribed: shape({
    stream,
    epoch,
    after: seq,
    head: seq,
    oldest: seq,
    replayed_upto: seq,
    reset: optional(shape({ epoch, seq })),
    lost: optional(shape(lost)),
  }),
  lost: shape({ stream, ...lost }),
  ended: shape({ stream, seq }),
  published: shape({
    stream: isText,
    id: (value, into, numbers, frame) => isId(value) && into.push(numbers.publish(frame.stream as string, value)) > 0,
    seq,
    duplicate: flag,
  }),
  rejected: shape({
    stream: isText,
    id: (value, into, numbers, frame) => isText(value) && into.push(numbers.publish(frame.stream as string, value)) > 0,
    code,
    message: isText,
  }),
  authenticated: shape({ expires_in_ms: optional(seq) }),
  error: shape({
    code,
    message: isText,
    stream: (value, into, numbers) =>
      into.push(isText(value) ? numbers.find(value) : 0) > 0 && (value == null || isText(value)),
  }),
  drain: shape({ reconnect_in_ms: integer }),
};
const TYPES = Object.keys(FRAMES);

/** Reads a message. `undefined` for a type that this version does not know; throws what is wrong as a text. */
export function readFrame(message: unknown, socket: number, numbers: Numbers): Frame | undefined {
  if (!isText(message)) throw "a message is text";
  let frame: unknown;
  try {
    frame = JSON.parse(message);
  } catch {
    throw "a message is JSON";
  }
  if (!isObject(frame)) throw "a message is a JSON object";
  const { type } = frame;
  if (!isText(type)) throw "type";
  if (type === "events") return readEvents(frame, socket, numbers);
  const index = TYPES.indexOf(type);
  if (index < 0) return undefined;
  const into = [index + 20, 0, socket];
  const found = (FRAMES[type] as Field)(frame, into, numbers, frame);
  if (found !== true) throw `${type}.${found}`;
  return { type, numbers: into, words: isText(frame.message) ? frame.message : "" };
}

/** The hot path. */
function readEvents({ stream, after, upto, requeued, events }: Fields, socket: number, numbers: Numbers): Frame {
  if (!Array.isArray(events)) throw "events.events";
  if (!isText(stream)) throw "events.stream";
  if (!isSeq(after)) throw "events.after";
  if (!isSeq(upto)) throw "events.upto";
  const into = [19, 0, socket, numbers.find(stream), 0, after, upto, requeued ? 1 : 0];
  const ids: string[] = [];
  for (const event of events) {
    if (!isObject(event)) throw "events.events[]";
    const { seq, id, attempt = 1, priority } = event;
    if (!isSeq(seq) || seq === 0) throw "events.events[].seq";
    if (!isText(id)) throw "events.events[].id";
    if (!isInteger(attempt) || attempt === 0) throw "events.events[].attempt";
    if (priority !== undefined && !isText(priority)) throw "events.events[].priority";
    into.push(seq, attempt * 2 + (priority === "critical" ? 1 : 0));
    ids.push(id);
  }
  return { type: "events", numbers: into, words: ids.join("\n"), events };
}
