// What a page's own code takes for an event: without a network, without the browser's part of a socket, and once V8 has
// compiled it. A stand-in for the socket hands over frames that were made before, in bursts.
import { placedEvent } from "../lib/events.mjs";
import { Ledger } from "./ledger.mjs";

/**
 * Milliseconds that each of `bursts` took, each of so many `frames` of `perFrame` events of `bytes`, from all `streams` in
 * turn. `server` says what the stand-in answers to a subscription, and how a frame is written.
 */
export async function warm({ connect, server }, address, { streams, perFrame, frames, bursts, bytes }) {
  const sockets = standIn(server);
  let count = 0;
  const ledgers = streams.map(() => new Ledger(() => count++));
  const client = await connect(address);
  client.subscribe(streams.map((stream, index) => [stream, ledgers[index].take]));
  const [socket] = sockets;
  await until(() => socket.subscribed === streams.length);
  const positions = streams.map(() => 0);
  const took = [];
  for (let made = 0; took.length < bursts; ) {
    const messages = Array.from({ length: frames }, () => {
      const index = made++ % streams.length;
      const after = positions[index];
      positions[index] += perFrame;
      const events = Array.from({ length: perFrame }, (_, n) => placedEvent(after + n + 1, bytes));
      return new MessageEvent("message", { data: server.frame(streams[index], after, events) });
    });
    const since = performance.now();
    for (const message of messages) socket.onmessage(message);
    took.push(performance.now() - since);
    await until(() => count === made * perFrame);
  }
  const wrong = ledgers.find((ledger) => ledger.wrong)?.wrong;
  if (wrong) throw new Error(wrong);
  return took;
}

/** Puts the stand-in where the browser's socket is. Returns a list of those that are opened. */
function standIn(server) {
  const sockets = [];
  globalThis.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    subscribed = 0;

    constructor() {
      sockets.push(this);
      setTimeout(() => this.onopen(new Event("open")));
    }

    send(text) {
      const { answers = [], subscribed = 0 } = server.hear(text);
      for (const data of answers) setTimeout(() => this.onmessage(new MessageEvent("message", { data })));
      setTimeout(() => (this.subscribed += subscribed));
    }

    close() {}
  };
  return sockets;
}

/** Looks again and again, each time in a task of its own. */
async function until(isSo) {
  do await new Promise((resolve) => setTimeout(resolve, 1));
  while (!isSo());
}
