import type { Engine } from "./engine.js";
import { AckwireError } from "./errors.js";
import { checkName, invalid, type PublishOptions } from "./options.js";
import type { Published } from "./types.js";

interface Entry {
  readonly promise: Promise<Published>;
  resolve(published: Published): void;
  reject(error: AckwireError): void;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what an id may not hold
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** How many may wait before there is an engine, which has the same bound. */
const MAX_EARLY = 1000;

/** Publishes that wait for their answer. The engine sends them, and sends them again; here are the promises. */
export class Outbox {
  readonly #enter: (call: (engine: Engine) => void) => void;
  readonly #entries = new Map<string, Entry>();
  /** What was published before there was an engine, in order. */
  readonly #early: { send(newId: () => string): void; reject(error: AckwireError): void }[] = [];
  #newId: (() => string) | undefined;

  constructor(enter: (call: (engine: Engine) => void) => void) {
    this.#enter = enter;
  }

  /** How many wait. */
  get size(): number {
    return this.#entries.size + this.#early.length;
  }

  publish(stream: string, type: string, data: unknown, { id, meta = {} }: PublishOptions): Promise<Published> {
    checkName("stream", stream, 200, "invalid_argument");
    checkName("type", type, 100, "invalid_argument");
    if (id !== undefined) checkId(id);
    checkMeta(meta);
    // Written now, so that later changes to the object do not count.
    const fields = `"event_type":${JSON.stringify(type)},"data":${write(data)},"meta":${JSON.stringify(meta)}}`;
    if (this.#newId) return this.#send(stream, id ?? this.#newId(), fields);
    if (this.#early.length >= MAX_EARLY) {
      throw new AckwireError("outbox_full", `${MAX_EARLY} publishes wait for the first connection`);
    }
    return new Promise((resolve, reject) => {
      const send = (newId: () => string) => void this.#send(stream, id ?? newId(), fields).then(resolve, reject);
      this.#early.push({ send, reject });
    });
  }

  /** There is an engine now. */
  start(newId: () => string): void {
    this.#newId = newId;
    for (const { send } of this.#early.splice(0)) send(newId);
  }

  published(stream: string, published: Published): void {
    this.#take(stream, published.id)?.resolve(published);
  }

  rejected(stream: string, id: string, error: AckwireError): void {
    this.#take(stream, id)?.reject(error);
  }

  /** Nobody will answer. */
  close(error: AckwireError): void {
    for (const { reject } of [...this.#early.splice(0), ...this.#entries.values()]) reject(error);
    this.#entries.clear();
  }

  #send(stream: string, id: string, fields: string): Promise<Published> {
    const key = keyOf(stream, id);
    const waiting = this.#entries.get(key);
    if (waiting) return waiting.promise;
    const entry = deferred();
    this.#entries.set(key, entry);
    const text = `{"type":"publish","stream":${JSON.stringify(stream)},"id":${JSON.stringify(id)},${fields}`;
    try {
      this.#enter((engine) => engine.publish(stream, id, text));
    } catch (error) {
      this.#take(stream, id)?.reject(error as AckwireError);
    }
    return entry.promise;
  }

  #take(stream: string, id: string): Entry | undefined {
    const key = keyOf(stream, id);
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    return entry;
  }
}

/** No stream's name has a space. */
function keyOf(stream: string, id: string): string {
  return `${stream} ${id}`;
}

function deferred(): Entry {
  let settle!: Omit<Entry, "promise">;
  const promise = new Promise<Published>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

function checkId(id: unknown): void {
  const isValid =
    typeof id === "string" && id !== "" && new TextEncoder().encode(id).length <= 128 && !CONTROL.test(id);
  if (!isValid) throw invalid("id", "has 1 to 128 bytes without control characters", id, "invalid_argument");
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
