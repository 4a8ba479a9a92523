// A server to compare with, in a process of its own: `node peer.mjs ws|socketio CONNECTIONS EVENTS PER_FRAME BYTES`.
// Once so many connections have said that they are ready, each gets so many events, so many in a message, as fast as it
// takes them. Nothing is kept, and nothing is confirmed.
import { once } from "node:events";
import { createServer } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { placedEvent } from "../browser/lib/events.mjs";

/** How much may wait in a socket before nothing more is sent to anybody, in bytes. */
const HIGH_WATER = 1 << 20;

const [kind, ...numbers] = process.argv.slice(2);
const [connections, count, perFrame, bytes] = numbers.map(Number);

const listener = createServer();
const { start } = await import(`./${kind}.mjs`);
const path = await start(listener, { connections, push });
listener.listen(0, "127.0.0.1");
await once(listener, "listening");
console.log(`listening on ws://127.0.0.1:${listener.address().port}${path}`);

/** Gives all events to everybody by `send(events)`; `waiting()` says how much waits in the fullest socket, in bytes. */
async function push({ send, waiting }) {
  for (let first = 1; first <= count; first += perFrame) {
    const length = Math.min(perFrame, count - first + 1);
    send(Array.from({ length }, (_, index) => placedEvent(first + index, bytes)));
    do await turn();
    while (waiting() > HIGH_WATER);
  }
}
