import { deviceIdentity, type Identity, namedIdentity, tabIdentity } from "./consumer.js";
import { Emitter, type ListenOptions, type Off } from "./emitter.js";
import { loadEngine } from "./engine.js";
import { AckwireError, type AckwireErrorCode, describe } from "./errors.js";
import { Loop } from "./loop.js";
import {
  type AckwireOptions,
  checkOptions,
  checkSubscribe,
  checkUrl,
  invalid,
  type KeyValueStore,
  type PublishOptions,
  type Settings,
  type SubscribeOptions,
} from "./options.js";
import { Outbox } from "./outbox.js";
import { Input, Shell, type ShellTarget } from "./shell.js";
import { readStats } from "./stats.js";
import { Store } from "./store.js";
import { StreamSubscription } from "./subscription.js";
import type { ClientNotices, Published, State, StateChange, Stats, Subscription } from "./types.js";

/** Most subscriptions of a client, as of a server's connection. */
const MAX_SUBSCRIPTIONS = 100;

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** A connection to a server, with its subscriptions. Does nothing before `connect()`. */
export class Ackwire {
  readonly #url: string;
  readonly #options: AckwireOptions;
  readonly #settings: Settings;
  readonly #loop = new Loop();
  readonly #emitter = new Emitter<ClientNotices>();
  /** In the order in which they were made. */
  readonly #subscriptions = new Set<StreamSubscription>();
  readonly #outbox = new Outbox((call) => this.#enter(call));
  #shell: Shell | undefined;
  #starting: Promise<void> | undefined;
  #identity: Identity | undefined;
  #store: KeyValueStore | undefined;
  #state: State = "idle";
  #isClosed = false;
  #tokenError: unknown;
  #connecting: Waiter[] = [];
  #flushing: Waiter[] = [];
  /** Why it has given up, until it connects anew. */
  #failure: AckwireError | undefined;

  /**
   * @param url The socket's address: `ws:` or `wss:`, without credentials, tokens or a fragment.
   * @throws {AckwireError} `invalid_url`, `invalid_option`
   */
  constructor(url: string | URL, options: AckwireOptions = {}) {
    this.#url = checkUrl(url);
    this.#settings = checkOptions(options);
    this.#options = { ...options };
  }

  /** How it stands. */
  get state(): State {
    return this.#state;
  }

  /** Whose confirmations are tracked; known once `connect()` has begun, and before that only if it was given. */
  get consumer(): string | undefined {
    const { consumer = "tab" } = this.#options;
    return this.#identity?.name ?? (consumer === "tab" || consumer === "device" ? undefined : consumer);
  }

  /**
   * Connects. Resolves when the server has welcomed the client, however many tries that takes; rejects when it has
   * failed for good, when it is closed, or with the signal's reason (the tries go on then: use `close()` to end them).
   *
   * @throws {AckwireError} `wasm_load_failed`, `forbidden`, `replaced`, `token_refused`, `tries_exhausted`, `closed`
   */
  async connect({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#starting ??= this.#start();
    try {
      await abortable(this.#starting, signal);
    } catch (error) {
      if (!this.#shell) this.#starting = undefined;
      throw error;
    }
    this.#assertOpen();
    this.#enter((shell) => shell.connect());
    if (this.#state === "connected") return;
    await abortable(new Promise<void>((resolve, reject) => this.#connecting.push({ resolve, reject })), signal);
  }

  /**
   * Receives a stream. Works before `connect()` as well.
   *
   * @throws {AckwireError} `invalid_argument`, `invalid_option`, `already_subscribed`, `too_many_subscriptions`, `closed`
   */
  subscribe<Events extends object = Record<string, unknown>>(
    stream: string,
    options: SubscribeOptions = {},
  ): Subscription<Events> {
    this.#assertOpen();
    const settings = checkSubscribe(stream, options);
    if ([...this.#subscriptions].some((held) => held.stream === stream)) {
      throw new AckwireError("already_subscribed", `this client is subscribed to ${JSON.stringify(stream)} already`);
    }
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) {
      throw new AckwireError("too_many_subscriptions", `a client has at most ${MAX_SUBSCRIPTIONS} subscriptions`);
    }
    const owner = {
      loop: this.#loop,
      enter: (call: (shell: Shell) => void) => this.#enter(call),
      read: <T>(look: (shell: Shell) => T) => this.#shell && look(this.#shell),
      error: (error: AckwireError) => this.#complain(error),
      forget: (gone: StreamSubscription) => this.#subscriptions.delete(gone),
    };
    const subscription = new StreamSubscription(owner, settings, options.confirm === "manual");
    this.#subscriptions.add(subscription);
    this.#attach(subscription);
    const { signal } = options;
    if (signal?.aborted) subscription.unsubscribe();
    else signal?.addEventListener("abort", () => subscription.unsubscribe(), { once: true });
    return subscription as unknown as Subscription<Events>;
  }

  /** Listens to what happens to the client; see {@link ClientNotices}. */
  on<Name extends keyof ClientNotices>(
    name: Name,
    listener: (notice: ClientNotices[Name]) => void,
    options?: ListenOptions,
  ): Off {
    if (name !== "state" && name !== "error") {
      throw invalid(
        "name",
        "is one of state, error; a stream's notices are for its subscription",
        name,
        "invalid_argument",
      );
    }
    return this.#emitter.on(name, listener, options);
  }

  /**
   * Appends an event to a stream. Resolves once the log has it; until then it is kept in memory, and sent again after
   * each reconnect. The log takes an id once, so repeating a publish with its id is safe. Aborting the signal ends the
   * waiting, not the sending.
   *
   * @throws {AckwireError} `invalid_argument`, `outbox_full` (1,000 wait), `too_large`, `closed`, or what the server
   * answered: `forbidden`, `stream_ended`, `invalid_request`, …
   */
  async publish(stream: string, type: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    return abortable(this.#outbox.publish(stream, type, data, options), options.signal);
  }

  /** What it has counted. */
  stats(): Stats {
    const shell = this.#shell;
    const nothing = [0, 0, 0, 0, 0, this.#outbox.size];
    const { subscriptions, ...counted } = readStats(shell?.stats() ?? nothing, (number) => shell?.name(number));
    const unhandled = (stream: string) =>
      [...this.#subscriptions].find((held) => held.stream === stream)?.delivery.unhandled ?? 0;
    return {
      ...counted,
      state: this.#state,
      subscriptions: subscriptions.map((held) => ({ ...held, unhandled: unhandled(held.stream) })),
    };
  }

  /**
   * Confirms at once what has been handled. Resolves when that is sent and every publish is answered.
   *
   * @throws {AckwireError} `closed`, or why the client has given up: `replaced`, `forbidden`, …; then nothing is sent until
   * it is told to `connect` again.
   */
  async flush({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#assertOpen();
    if (!this.#shell) return;
    if (this.#failure) throw this.#failure;
    const flushed = new Promise<void>((resolve, reject) => this.#flushing.push({ resolve, reject }));
    this.#report();
    this.#enter((shell) => shell.hand([Input.Flush]));
    await abortable(flushed, signal);
  }

  /** Confirms what has been handled, and ends everything. What is still with its handlers comes again in the next page. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    const closed = new AckwireError("closed", "the client was closed");
    this.#report();
    this.#isClosed = true;
    const shell = this.#shell;
    this.#enter((shell) => shell.close());
    this.#shell = undefined;
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
    this.#outbox.close(closed);
    this.#settle(closed);
    this.#identity?.release();
    // Without an engine nobody else says so.
    if (!shell) this.#changed({ current: "closed", previous: this.#state, reason: "application" });
  }

  /** Loads what is needed, and hands over what was asked for meanwhile. */
  async #start(): Promise<void> {
    this.#assertOpen();
    await loadEngine(this.#options.wasm);
    const { consumer = "tab" } = this.#options;
    this.#store ??= this.#openStore(consumer);
    const store = this.#store;
    const { origin, pathname } = new URL(this.#url);
    const scope = `${origin}${pathname}`;
    const identity = await identify(consumer, store, scope);
    if (this.#isClosed) identity.release();
    this.#assertOpen();
    this.#identity = identity;
    const key = `ackwire:positions:${scope}:${identity.name}`;
    const target: ShellTarget = {
      state: (change) => this.#changed(change),
      error: (code, message) => this.#complain(this.#toError(code, message)),
      findPublish: (stream, id) => this.#outbox.find(stream, id),
      message: (publish) => this.#outbox.message(publish),
      published: (publish, seq, duplicate) => this.#outbox.published(publish, seq, duplicate),
      rejected: (publish, code, message) => this.#outbox.rejected(publish, this.#toError(code, message)),
      flushed: () => this.#settleFlush(),
      askToken: () => this.#answerToken(),
      keepCheckpoint: (text) => store.setItem(key, text),
    };
    const checkpoint = store.getItem(key);
    this.#shell = new Shell(this.#loop, target, this.#url, identity, this.#settings, checkpoint);
    for (const subscription of this.#subscriptions) this.#attach(subscription);
    this.#outbox.start();
  }

  #openStore(consumer: string): KeyValueStore {
    const { storage } = this.#options;
    const browser = () => {
      const name = consumer === "device" ? "localStorage" : "sessionStorage";
      const found = globalThis[name];
      if (!found) throw new Error(`there is no ${name} here`);
      return found;
    };
    const open = storage === "memory" ? undefined : storage ? () => storage : browser;
    return new Store(open, (error) => this.#loop.tell(() => this.#complain(error)));
  }

  #attach(subscription: StreamSubscription): void {
    this.#enter((shell) => shell.subscribe(subscription));
  }

  /** Calls the engine, if there is one; then the application, unless this call came from there. */
  #enter(call: (shell: Shell) => void): void {
    if (!this.#shell) return;
    try {
      call(this.#shell);
    } catch (thrown) {
      // The engine throws codes; anything else is a fault of its own.
      if (typeof thrown !== "string") throw thrown;
      throw this.#toError(thrown, `the engine refused the call: ${thrown}`);
    } finally {
      this.#loop.run();
    }
  }

  /** Tells the engine of everything that was handled, also when the application calls from within a handler. */
  #report(): void {
    for (const { delivery } of this.#subscriptions) delivery.report();
  }

  #changed(change: StateChange): void {
    this.#state = change.current;
    this.#failure = undefined;
    if (change.current === "connected") {
      for (const { resolve } of this.#connecting.splice(0)) resolve();
    } else if (change.current === "failed") {
      const failure = failureOf(change);
      this.#failure = failure;
      const isAwaited = this.#connecting.length > 0;
      this.#settle(failure);
      for (const subscription of this.#subscriptions) subscription.stopIterators(failure);
      this.#complain(failure, isAwaited);
    }
    this.#emitter.emit("state", change);
  }

  /** Nobody need wait any longer. */
  #settle(error: AckwireError): void {
    for (const { reject } of [...this.#connecting.splice(0), ...this.#flushing.splice(0)]) reject(error);
  }

  #settleFlush(): void {
    for (const { resolve } of this.#flushing.splice(0)) resolve();
  }

  async #answerToken(): Promise<void> {
    const { token } = this.#options;
    try {
      const answer = typeof token === "function" ? await token() : token;
      if (typeof answer !== "string" || answer === "") throw new TypeError("the token callback returned no text");
      this.#enter((shell) => shell.token(answer));
    } catch (thrown) {
      this.#tokenError = thrown;
      this.#enter((shell) => shell.hand([Input.TokenFailed], describe(thrown)));
    }
  }

  /** Never silent: what neither a listener nor a caller hears goes to the console. */
  #complain(error: AckwireError, isAwaited = false): void {
    const isHeard = this.#emitter.emit("error", error) || isAwaited;
    if (!isHeard) console.warn(`ackwire: ${error.code}: ${error.message}`);
  }

  #toError(code: string, message: string): AckwireError {
    return new AckwireError(code as AckwireErrorCode, message, code === "token_failed" ? this.#tokenError : undefined);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new AckwireError("closed", "this client was closed");
  }
}

async function identify(consumer: string, store: KeyValueStore, scope: string): Promise<Identity> {
  if (consumer === "tab") return tabIdentity(store, scope);
  if (consumer === "device") return deviceIdentity(store);
  return namedIdentity(consumer, store);
}

/** What made a client give up. */
function failureOf({ reason, code, detail }: StateChange): AckwireError {
  const said = detail ? `: ${detail}` : "";
  if (code === 4409) return new AckwireError("replaced", `a newer connection of this consumer took over${said}`);
  if (code === 4403) return new AckwireError("forbidden", `the server does not allow this connection${said}`);
  if (reason === "token_refused") return new AckwireError(reason, `the server refused the token three times${said}`);
  if (reason === "tries_exhausted") return new AckwireError(reason, `the limit of tries was met${said}`);
  return new AckwireError("other", `the connection failed for good (${reason})${said}`);
}

/** The promise, or the signal's reason if that comes first. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
