// A page that notes how long each event was on its way to its handler. `socket` and `stream` are in its address.
import { Ackwire } from "/pkg/index.js";

const { socket, stream } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const client = new Ackwire(socket, { consumer: "tab" });
await client.connect();

/** By the events' own numbers, from 0 on, in the order in which they came: milliseconds. */
const taken = [];
client.subscribe(stream, { from: "start" }).handle("*", ({ data }) => {
  if (data.number !== taken.length) throw new Error(`event ${data.number} came where ${taken.length} was due`);
  taken.push(performance.timeOrigin + performance.now() - data.sent);
});
window.latency = { taken };
