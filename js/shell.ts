import type { Identity } from "./consumer.js";
import { Engine } from "./engine.js";
import { AckwireError, type AckwireErrorCode } from "./errors.js";
import type { WireEvent } from "./event.js";
import { type Frame, type Numbers, readFrame } from "./frames.js";
import type { Loop } from "./loop.js";
import type { Settings, SubscribeSettings } from "./options.js";
import type { StreamSubscription } from "./subscription.js";
import type { StateChange } from "./types.js";
import { CODES, LOST_REASONS, PHRASES, REASONS, STATES } from "./words.js";

/** The version of the package; the build puts it in. */
declare const ACKWIRE_VERSION: string;

/** What happened, by the numbers of `src/web/input.rs`. Those from 19 on are frames of the server: see `js/frames.ts`. */
export enum Input {
  Connect,
  Close,
  Flush,
  Wake,
  Hide,
  Timeout,
  Token,
  TokenFailed,
  Subscribe,
  Publish,
  Handles,
  Unsubscribe,
  ConfirmRun,
  Confirm,
  Fail,
  Opened,
  Closed,
  Invalid,
  Unknown,
}
/** Where an `events` frame has its own number. */
const PAYLOAD = 4;
/** Why the engine refused, by the number that it answers, from -1 downwards. */
const REFUSALS = ["already_subscribed", "too_many_subscriptions", "outbox_full", "invalid_argument", "too_large"];
const FROM = ["start", "now", "resume"];
/** Frames by the numbers of `src/web/output.rs`: the type, and the fields that the engine says, in its order. */
const WRITTEN = [
  ["hello"],
  ["subscribe"],
  ["unsubscribe", "stream"],
  ["ack", "stream epoch upto delivered received also"],
  ["nack", "stream epoch seq attempt retry"],
  ["confirm", "stream epoch seq attempt"],
  ["resend", "stream epoch ranges"],
  ["auth"],
  ["ping"],
  ["pong"],
] as const;
/** Notices of a stream, likewise. */
const NOTICES = [
  ["subscribed", "epoch after head replayedUpto"],
  ["gap", "after upto"],
  ["repaired", "after upto"],
  ["lost", "after upto reason"],
  ["reset", "void position"],
] as const;

/** Longest `error` of a `nack`, in bytes. */
const MAX_ERROR_BYTES = 1_000;
/** So many names, or frames that were held, are kept unneeded before it is looked which of them are. */
const MANY = 64;
/** Most streams of a checkpoint, and ranges of each. */
const MAX_STREAMS = 200;
const MAX_RANGES = 64;

/** What the client does with what the engine says. */
export interface ShellTarget {
  state(change: StateChange): void;
  error(code: string, message: string): void;
  /** The number of the publish that waits for this answer; 0 if none does. */
  findPublish(stream: string, id: string): number;
  /** Its finished frame. */
  message(publish: number): string;
  published(publish: number, seq: number, duplicate: boolean): void;
  rejected(publish: number, code: string, message: string): void;
  flushed(): void;
  askToken(): void;
  keepCheckpoint(text: string): void;
}

/** What the engine wants done, and what it may need for that: the words and the events of its input. */
interface Output {
  readonly list: readonly number[];
  readonly words: string;
  readonly events: readonly WireEvent[] | undefined;
  readonly payload: number;
}

interface Acked {
  readonly upto: number;
  readonly also?: readonly (readonly [number, number])[];
  readonly delivered: number;
  readonly received: number;
}

/**
 * The engine's surroundings: what the browser tells, as inputs, and the texts that the engine knows by number.
 *
 * Each input does the same: the engine is told and says what is to be done, then that is done. What concerns the
 * application is only queued: it runs when all of that is over.
 */
export class Shell implements Numbers {
  readonly #loop: Loop;
  readonly #target: ShellTarget;
  readonly #url: string;
  readonly #identity: Identity;
  readonly #engine: Engine;
  /** By the engine's number. */
  readonly #subscriptions = new Map<number, StreamSubscription>();
  /** By the number of their stream. */
  readonly #streams = new Map<number, SubscribeSettings & { readonly errors: Map<number, string> }>();
  /** Names of streams and epochs by number, and the other way round. */
  readonly #names = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  /** Events of frames that are held behind a gap, by number. */
  readonly #held = new Map<number, readonly WireEvent[]>();
  /** The last number that was given. */
  #last = 0;
  #maxNames = MANY;
  #token: string | undefined;
  readonly #outputs: Output[] = [];
  #isActing = false;

  constructor(
    loop: Loop,
    target: ShellTarget,
    url: string,
    identity: Identity,
    settings: Settings,
    checkpoint: string | null,
  ) {
    this.#loop = loop;
    this.#target = target;
    this.#url = url;
    this.#identity = identity;
    const list = [...settings, ...this.#readCheckpoint(checkpoint ?? "")];
    this.#engine = new Engine(list, (event, socket) => this.#happened(event, socket));
  }

  // --- the application ---

  connect(): void {
    this.#engine.watch();
    this.hand([Input.Connect]);
  }

  close(): void {
    this.hand([Input.Close]);
    this.#engine.end();
  }

  /** Returns the subscription's number. Throws a code if it is refused. */
  subscribe(subscription: StreamSubscription): void {
    const { settings, errors } = subscription;
    const { stream, from, epoch, seq, windowEvents, windowBytes } = settings;
    const number = this.of(stream);
    this.#streams.set(number, { ...settings, errors });
    const kind = FROM.includes(from) ? FROM.indexOf(from) : FROM.length;
    const input = [Input.Subscribe, 0, number, kind, this.of(epoch), seq, windowEvents, windowBytes];
    subscription.id = this.hand(input);
    this.#subscriptions.set(subscription.id, subscription);
  }

  unsubscribe(id: number, stream: string): void {
    this.hand([Input.Unsubscribe, 0, id]);
    this.#subscriptions.delete(id);
    this.#streams.delete(this.find(stream));
  }

  fail(id: number, seq: number, attempt: number, error: string, retry: boolean): void {
    this.#subscriptions.get(id)?.errors.set(seq, error);
    this.hand([Input.Fail, 0, id, seq, attempt, +retry]);
  }

  token(token: string): void {
    this.#token = token;
    this.hand([Input.Token]);
  }

  /** Everything that is counted; `js/stats.ts` reads it. */
  stats(): readonly number[] {
    return this.#engine.stats();
  }

  /** A name by its number. */
  name(number: number): string | undefined {
    return this.#names.get(number);
  }

  // --- names ---

  of(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = ++this.#last;
      this.#numbers.set(name, number);
      this.#names.set(number, name);
    }
    return number;
  }

  find(name: string): number {
    return this.#numbers.get(name) ?? 0;
  }

  publish(stream: string, id: string): number {
    return this.#target.findPublish(stream, id);
  }

  /** Forgets what the engine does not need any more. */
  #sweep(): void {
    const needed = new Set(this.#engine.input([Input.Handles, 0], ""));
    for (const number of this.#held.keys()) {
      if (!needed.has(number)) this.#held.delete(number);
    }
    for (const [number, name] of this.#names) {
      if (needed.has(number)) continue;
      this.#names.delete(number);
      this.#numbers.delete(name);
    }
    this.#maxNames = 2 * this.#names.size + MANY;
  }

  // --- in and out ---

  /**
   * Hands in an input: what, room for the time, and what belongs to it. Returns the answer; throws a code if that is a
   * refusal. `words` were said, or are the ids of events.
   */
  hand(input: number[], words = "", events?: readonly WireEvent[]): number {
    input[1] = performance.now();
    const payload = input[PAYLOAD] ?? 0;
    const list = this.#engine.input(input, events ? words : "");
    this.#outputs.push({ list, words, events, payload });
    // A call from within (a store that calls back, say) leaves the rest to the outer one.
    if (!this.#isActing) {
      this.#isActing = true;
      for (let output = this.#outputs.shift(); output; output = this.#outputs.shift()) this.#act(output);
      this.#isActing = false;
      if (this.#names.size > this.#maxNames) this.#sweep();
    }
    const [answer = 0] = list;
    if (answer < 0) throw REFUSALS[-1 - answer];
    return answer;
  }

  /** Does what the engine wants done, as `src/web/output.rs` lists it. */
  #act({ list, words, events, payload }: Output): void {
    const target = this.#target;
    let at = 1;
    const next = () => list[at++] as number;
    const name = () => this.#names.get(next());
    const text = () => {
      const number = next();
      return (number === 0 ? words : PHRASES[number]) as string;
    };
    const code = () => CODES[next()] as AckwireErrorCode;
    const position = () => record("epoch seq");
    const times = <T>(item: () => T): T[] => Array.from({ length: next() }, item);
    const ranges = () => times(() => [next(), next()] as const);
    /** How the fields are read that are no numbers. */
    const readers: Record<string, () => unknown> = {
      stream: name,
      epoch: name,
      also: () => some(ranges()),
      ranges,
      reason: () => LOST_REASONS[next()],
      void: position,
      position,
    };
    const record = (fields: string) =>
      Object.fromEntries(fields.split(" ").map((field) => [field, (readers[field] ?? next)()]));
    const tell = (notice: (held: StreamSubscription) => void, id = next()) => {
      const held = this.#subscriptions.get(id);
      // One that has ended meanwhile hears nothing.
      this.#loop.tell(() => held?.id === id && notice(held));
    };
    const subscribe = () => {
      const number = list[at] as number;
      const { stream, from, epoch, seq, also } = record("stream from epoch seq also");
      const { windowEvents, windowBytes, filter } = this.#streams.get(number) as SubscribeSettings;
      const window = { events: windowEvents, bytes: windowBytes };
      return { stream, from: FROM[from as number] ?? { epoch, seq }, also, window, filter };
    };
    const frame = () => {
      const [type = "", fields = ""] = WRITTEN[next()] as readonly string[];
      const number = list[at] as number;
      const frame: Record<string, unknown> = { type, ...(fields && record(fields)) };
      if (type === "hello") {
        const { name, session } = this.#identity;
        frame.consumer = name;
        frame.session = { id: session, connection: this.#identity.number() };
        frame.agent = `ackwire/${ACKWIRE_VERSION}`;
        frame.subscriptions = times(subscribe);
      } else if (type === "subscribe") {
        Object.assign(frame, subscribe());
      } else if (type === "nack") {
        frame.error = cut(this.#streams.get(number)?.errors.get(frame.seq as number) ?? "");
        frame.retry = frame.retry ? undefined : false;
      } else if (type === "ack") {
        const { upto, also, delivered, received } = frame as unknown as Acked;
        // At rest neither says anything new [AW-ACK-8].
        if (delivered <= (also?.at(-1)?.[1] ?? upto)) delete frame.delivered;
        if (received <= delivered) delete frame.received;
      }
      if (type === "hello" || type === "auth") frame.token = this.#token;
      return JSON.stringify(frame);
    };
    while (at < list.length) {
      const what = next();
      if (what === 1) {
        this.#loop.tell(() => target.askToken());
      } else if (what === 2) {
        this.#open(next());
      } else if (what === 3) {
        this.#engine.close(next(), next(), PHRASES[next()] as string);
      } else if (what === 4) {
        this.#engine.send(next(), target.message(next()));
      } else if (what === 5) {
        this.#engine.send(next(), frame());
      } else if (what === 6) {
        const [id, number, start, end] = [next(), next(), next(), next()];
        const run = (number === payload ? events : this.#held.get(number)) as readonly WireEvent[];
        tell((held) => held.deliver(run, start, end), id);
      } else if (what === 7) {
        const change = {
          current: STATES[next()],
          previous: STATES[next()],
          reason: REASONS[next()],
          detail: text() || undefined,
          code: positive(next()),
          retryInMs: positive(next()),
        };
        this.#loop.tell(() => target.state(JSON.parse(JSON.stringify(change)) as StateChange));
      } else if (what === 8) {
        const [id, [name, fields]] = [next(), NOTICES[next()] as (typeof NOTICES)[number]];
        const notice = record(fields) as never;
        tell((held) => held.notice(name, notice), id);
      } else if (what === 9) {
        const [id, seq] = [next(), next()];
        tell((held) => held.complete(seq), id);
      } else if (what === 10) {
        const [publish, seq, duplicate] = [next(), next(), next() > 0];
        this.#loop.tell(() => target.published(publish, seq, duplicate));
      } else if (what === 11) {
        const [publish, refusal, message] = [next(), code(), text()];
        this.#loop.tell(() => target.rejected(publish, refusal, message));
      } else if (what === 12) {
        const [trouble, message, id] = [code(), text(), next()];
        if (id) tell((held) => held.refuse(new AckwireError(trouble, message)), id);
        else this.#loop.tell(() => target.error(trouble, message));
      } else if (what === 13) {
        this.#loop.tell(() => target.flushed());
      } else {
        const entry = () => [name(), name(), next(), ...ranges().map((range) => range.join("-"))].join(" ");
        target.keepCheckpoint(times(() => `${entry()}\n`).join(""));
      }
    }
  }

  // --- the browser ---

  /** An event of the page or of a socket, or nothing when the timer fires; then the application may run. */
  #happened(event: Event | undefined, socket: number): void {
    const type = event?.type;
    if (type === "message") {
      this.#receive(socket, (event as MessageEvent).data);
    } else if (type === "open") {
      this.hand([Input.Opened, 0, socket]);
    } else if (type === "close") {
      const { code, reason } = event as CloseEvent;
      this.hand([Input.Closed, 0, socket, code], reason);
    } else {
      const isHidden = type === "pagehide" || type === "freeze" || (type === "visibilitychange" && document.hidden);
      this.hand([isHidden ? Input.Hide : type ? Input.Wake : Input.Timeout]);
    }
    this.#loop.startTask();
  }

  #open(socket: number): void {
    try {
      this.#engine.open(socket, this.#url);
    } catch (thrown) {
      this.hand([Input.Closed, 0, socket, 1006], String(thrown));
    }
  }

  #receive(socket: number, message: unknown): void {
    let frame: Frame | undefined;
    try {
      frame = readFrame(message, socket, this);
    } catch (wrong) {
      if (typeof wrong !== "string") throw wrong;
      this.hand([Input.Invalid, 0, socket], wrong);
      return;
    }
    const { numbers, words, events } = frame ?? { numbers: [Input.Unknown, 0, socket] };
    if (events) numbers[PAYLOAD] = ++this.#last;
    const held = this.hand(numbers, words, events);
    if (!events) return;
    if (held > 0) this.#held.set(this.#last, events);
    if (this.#held.size > 2 * held + (held && MANY) && !this.#isActing) this.#sweep();
  }

  /** A line `stream epoch upto after-upto …` for each stream. One that cannot be read is left out. */
  #readCheckpoint(text: string): number[] {
    const lines = text.matchAll(/^([\w.:/-]{1,200}) ([\w-]{1,64}) (\d+)((?: \d+-\d+)*)$/gm);
    return Array.from(lines)
      .slice(0, MAX_STREAMS)
      .flatMap(([, stream, epoch, upto, also]) => {
        const ends = (also?.match(/\d+/g) ?? []).map(Number).slice(0, 2 * MAX_RANGES);
        const isRead = ends.every(
          (end, index) => Number.isSafeInteger(end) && (index % 2 === 0 || (ends[index - 1] as number) < end),
        );
        const position = [this.of(stream as string), this.of(epoch as string), Number(upto)];
        return isRead && Number.isSafeInteger(position[2]) ? [...position, ends.length / 2, ...ends] : [];
      });
  }
}

/** Nothing for what is below zero. */
function positive(number: number): number | undefined {
  return number < 0 ? undefined : number;
}

/** Nothing for none: the field is left out. */
function some<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}

/** As long as an `error` may be, cut between characters. */
function cut(text: string): string {
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(MAX_ERROR_BYTES)).read);
}
