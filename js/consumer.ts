import { newId } from "./engine.js";
import type { KeyValueStore } from "./options.js";

/**
 * How long the page before a reload may take to give its name back, in milliseconds. It gives it back when it hides,
 * so this is waited only where that event did not come.
 */
const RELOAD_PATIENCE_MS = 3_000;
/** The same for any other page that finds a stored name in use; a duplicated tab waits this once. */
const PATIENCE_MS = 300;

/** A consumer's name, held by this page. */
export interface Identity {
  readonly name: string;
  /** Under which name its connections are numbered [AW-CONN-5]. */
  readonly session: string;
  /** A number for the next one. */
  number(): number;
  /** Gives the name back. */
  release(): void;
}

/** How many clients of this page use a key: the second client of one address gets a name of its own. */
const slots = new Map<string, Set<number>>();

/**
 * The name of this tab, kept in the store across reloads.
 *
 * A duplicated tab starts with a copy of the store. Two pages with one name would push each other off the server, so
 * a page holds a Web Lock named after the consumer; who finds it taken by a living page takes a new name. Where there
 * are no Web Locks (an insecure origin, an old browser) a stored name is believed.
 */
export async function tabIdentity(store: KeyValueStore, scope: string): Promise<Identity> {
  const { key, leave } = takeSlot(`ackwire:consumer:${scope}`);
  const stored = store.getItem(key);
  const held = stored ? await hold(stored, isReload() ? RELOAD_PATIENCE_MS : PATIENCE_MS) : undefined;
  if (stored && held) return { ...numbered(stored, key, store), release: both(held, leave) };
  const name = `tab-${newId()}`;
  store.setItem(key, name);
  const letGo = (await hold(name, PATIENCE_MS)) ?? (() => {});
  return { ...numbered(name, key, store), release: both(letGo, leave) };
}

/** The name of this browser. */
export function deviceIdentity(store: KeyValueStore): Identity {
  const name = keep("ackwire:device", store, () => `device-${newId()}`);
  return { ...numbered(name, "ackwire:device", store), release: () => {} };
}

/** A name that the application gives. Who else has it, in another tab or elsewhere, counts under a name of its own. */
export function namedIdentity(name: string, store: KeyValueStore): Identity {
  const key = `ackwire:session:${name}`;
  return { ...numbered(name, key, store), session: keep(key, store, newId), release: () => {} };
}

/** What the store has, or what is made and stored now. */
function keep(key: string, store: KeyValueStore, make: () => string): string {
  const kept = store.getItem(key) || make();
  store.setItem(key, kept);
  return kept;
}

/**
 * The numbers of connections are times, and higher than the last one that was stored: so the newest is known from one life
 * of a page to the next, and among duplicates of a tab.
 */
function numbered(name: string, key: string, store: KeyValueStore) {
  const number = () => {
    const next = Math.max(Date.now(), Number(store.getItem(`${key}:connection`)) + 1 || 0);
    store.setItem(`${key}:connection`, `${next}`);
    return next;
  };
  return { name, session: name, number };
}

function takeSlot(base: string): { key: string; leave: () => void } {
  const taken = slots.get(base) ?? new Set();
  slots.set(base, taken);
  let slot = 0;
  while (taken.has(slot)) slot++;
  taken.add(slot);
  return { key: slot === 0 ? base : `${base}#${slot}`, leave: () => taken.delete(slot) };
}

/**
 * Holds the lock for this page's life; nothing if another page keeps it for longer than the patience.
 *
 * The lock is let go while the page is hidden for good: a reload finds it free, and the back/forward cache refuses
 * pages that hold one. A page that comes back from there takes it again; if meanwhile another page has it, the server
 * lets the newest connection win.
 */
async function hold(name: string, patienceMs: number): Promise<(() => void) | undefined> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return () => {};
  let letGo = await request(locks, name, patienceMs);
  if (!letGo) return undefined;
  const onHide = () => letGo?.();
  const onShow = async (event: Event) => {
    if ((event as PageTransitionEvent).persisted) letGo = await request(locks, name, patienceMs);
  };
  globalThis.addEventListener?.("pagehide", onHide);
  globalThis.addEventListener?.("pageshow", onShow);
  return () => {
    globalThis.removeEventListener?.("pagehide", onHide);
    globalThis.removeEventListener?.("pageshow", onShow);
    letGo?.();
  };
}

function request(locks: LockManager, name: string, patienceMs: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), patienceMs);
    const granted = () =>
      new Promise<void>((letGo) => {
        clearTimeout(timer);
        resolve(letGo);
      });
    // Rejects when the patience is over, and where the origin may not lock: the first means another page has it.
    locks
      .request(`ackwire:${name}`, { signal: patience.signal }, granted)
      .catch(() => resolve(patience.signal.aborted ? undefined : () => {}));
  });
}

function isReload(): boolean {
  const [navigation] = globalThis.performance?.getEntriesByType?.("navigation") ?? [];
  return (navigation as PerformanceNavigationTiming | undefined)?.type === "reload";
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}
