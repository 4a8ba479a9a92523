// One connection through the proxy: two sockets, and what flows between them, both ways.
import { connect } from "node:net";
import { FrameFilter } from "./frames.mjs";

/** How long a throttled piece may take at most, in milliseconds: what is slow shall trickle, not come in lumps. */
const TRICKLE_MS = 50;

export class Link {
  /** Whether the server has answered on it. */
  isAnswered = false;
  /** Whether something waits that the page has said after that. */
  isHolding = false;
  #page;
  #server;
  #weather;
  #deaf;
  /** Whether what the page says once the server has answered is held back. */
  #holds;
  #isCut = false;
  #wake = () => {};
  #awake;
  #over;

  /** Joins the page's socket to the server on this port. `over` is called once nothing is left of it. */
  constructor(page, port, weather, over) {
    this.#page = page;
    this.#server = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.#weather = weather;
    this.#deaf = weather.deaf;
    this.#over = over;
    this.resume();
    this.#holds = weather.holdsNext;
    weather.holdsNext = false;
    for (const socket of [this.#page, this.#server]) {
      socket.setNoDelay(true);
      // What a socket dies of ends its flow below.
      socket.on("error", () => {});
    }
    const frames = new FrameFilter((text) => this.#weather.filter?.(text) ?? [text]);
    const answer = (chunk) => {
      this.isAnswered = true;
      return frames.pass(chunk);
    };
    const flows = [this.#flow("up", this.#page, this.#server), this.#flow("down", this.#server, this.#page, answer)];
    Promise.all(flows).then(() => this.#over());
  }

  /** Both sides see a reset. */
  reset() {
    this.#isCut = true;
    reset(this.#page);
    reset(this.#server);
    this.resume();
  }

  /** Both sides see a goodbye in the middle of whatever was being said. */
  end() {
    this.#isCut = true;
    for (const socket of [this.#page, this.#server]) socket.end(() => socket.destroy());
    this.resume();
  }

  /** Nothing that comes from now on is passed on, no goodbye either. */
  goDeaf() {
    this.#deaf = true;
    this.resume();
  }

  /** Looks again whether something is held back. */
  resume() {
    this.#holds = false;
    this.#wake();
    this.#awake = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Until one of the sides has said goodbye. Who is held back, reads no more: the sender feels it. */
  async #flow(direction, from, to, change = (chunk) => chunk) {
    try {
      for await (const chunk of from) await this.#pass(direction, to, change(chunk));
      // Whoever is deaf does not hear a goodbye either.
      if (!this.#deaf && !this.#isCut) to.end();
    } catch {
      if (!this.#deaf && !this.#isCut && !to.destroyed) reset(to);
    }
    if (this.#deaf) from.destroy();
  }

  async #pass(direction, to, bytes) {
    let next = 0;
    while (next < bytes.length && !this.#deaf && !this.#isCut && !to.destroyed) {
      const isHeld = direction === "up" && this.#holds && this.isAnswered;
      if (direction === "up") this.isHolding = isHeld;
      if (isHeld || this.#weather.stalled[direction]) {
        await this.#awake;
        continue;
      }
      const { chunkBytes, bytesPerSecond } = this.#weather;
      const piece = bytes.subarray(next, next + Math.min(chunkBytes, trickle(bytesPerSecond)));
      next += piece.length;
      await written(to, piece);
      // The other side must have had a chance to read it, or it would read several at once.
      if (piece.length === chunkBytes) await turn();
      if (bytesPerSecond !== Number.POSITIVE_INFINITY) await elapse((piece.length / bytesPerSecond) * 1000);
    }
  }
}

/** A socket that has begun to say goodbye takes no reset: the system's handle would stay open. */
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

const trickle = (bytesPerSecond) => Math.max(1, Math.floor((bytesPerSecond * TRICKLE_MS) / 1000));

/** Until the system has taken it: what is written while an earlier piece waits could share its segment. */
const written = (socket, piece) => new Promise((resolve) => socket.write(piece, () => resolve()));

const turn = () => new Promise((resolve) => setImmediate(resolve));

const elapse = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
