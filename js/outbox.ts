import { newId } from "./engine.js";
import { AckwireError } from "./errors.js";
import { checkName, invalid, isId, type PublishOptions } from "./options.js";
import { Input, type Shell } from "./shell.js";
import type { Published } from "./types.js";

interface Entry {
  readonly stream: string;
  /** Empty for one that has none and waits for the engine, which makes ids. */
  id: string;
  /** The frame's fields after its id, as text. */
  readonly fields: string;
  readonly promise: Promise<Published>;
  resolve(published: Published): void;
  reject(error: unknown): void;
}

/** How many may wait before there is an engine, which has the same bound. */
const MAX_EARLY = 1000;

/** Publishes that wait for their answer. The engine sends them, and sends them again; here are the texts and promises. */
export class Outbox {
  readonly #enter: (call: (shell: Shell) => void) => void;
  /** By their numbers, in order. */
  readonly #entries = new Map<number, Entry>();
  #last = 0;
  #hasEngine = false;

  constructor(enter: (call: (shell: Shell) => void) => void) {
    this.#enter = enter;
  }

  /** How many wait. */
  get size(): number {
    return this.#entries.size;
  }

  publish(stream: string, type: string, data: unknown, options: PublishOptions): Promise<Published> {
    const { id = this.#hasEngine ? newId() : "", meta = {} } = options;
    checkName("stream", stream, 200, "invalid_argument");
    checkName("type", type, 100, "invalid_argument");
    if (options.id !== undefined && !isId(id))
      throw invalid("id", "has 1 to 128 bytes without control characters", id, "invalid_argument");
    checkMeta(meta);
    const waiting = id && this.#entries.get(this.find(stream, id));
    if (waiting) return waiting.promise;
    if (!this.#hasEngine && this.#entries.size >= MAX_EARLY) {
      throw new AckwireError("outbox_full", `${MAX_EARLY} publishes wait for the first connection`);
    }
    // Written now, so that later changes to the object do not count.
    const fields = `"event_type":${JSON.stringify(type)},"data":${write(data)},"meta":${JSON.stringify(meta)}}`;
    const entry = { stream, id, fields, ...deferred() };
    this.#entries.set(++this.#last, entry);
    this.#send(this.#last);
    return entry.promise;
  }

  /** There is an engine now. */
  start(): void {
    this.#hasEngine = true;
    for (const [number, entry] of [...this.#entries]) {
      entry.id ||= newId();
      this.#send(number);
    }
  }

  /** The number of the one that waits for this answer; 0 if none does. */
  find(stream: string, id: string): number {
    for (const [number, entry] of this.#entries) {
      if (entry.id === id && entry.stream === stream) return number;
    }
    return 0;
  }

  /** The finished frame. */
  message(number: number): string {
    const entry = this.#entries.get(number);
    if (!entry) return "";
    const { stream, id, fields } = entry;
    return `{"type":"publish","stream":${JSON.stringify(stream)},"id":${JSON.stringify(id)},${fields}`;
  }

  published(number: number, seq: number, duplicate: boolean): void {
    const entry = this.#take(number);
    entry?.resolve({ id: entry.id, seq, duplicate });
  }

  rejected(number: number, error: unknown): void {
    this.#take(number)?.reject(error);
  }

  /** Nobody will answer. */
  close(error: AckwireError): void {
    for (const { reject } of this.#entries.values()) reject(error);
    this.#entries.clear();
  }

  #send(number: number): void {
    const bytes = new TextEncoder().encode(this.message(number)).length;
    try {
      this.#enter((shell) => shell.hand([Input.Publish, 0, number, bytes]));
    } catch (error) {
      this.rejected(number, error);
    }
  }

  #take(number: number): Entry | undefined {
    const entry = this.#entries.get(number);
    this.#entries.delete(number);
    return entry;
  }
}

function deferred(): Pick<Entry, "promise" | "resolve" | "reject"> {
  let settle!: Pick<Entry, "resolve" | "reject">;
  const promise = new Promise<Published>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

function checkMeta(meta: Readonly<Record<string, string>>): void {
  const values = Object.values(meta);
  if (values.length > 16 || values.some((value) => typeof value !== "string")) {
    throw invalid("meta", "is a flat object of at most 16 texts", meta, "invalid_argument");
  }
}

function write(data: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data === undefined ? null : data);
  } catch (cause) {
    throw new AckwireError("invalid_argument", "the argument `data` cannot be written as JSON", cause);
  }
  if (text === undefined) throw invalid("data", "is a value that JSON can express", typeof data, "invalid_argument");
  return text;
}
