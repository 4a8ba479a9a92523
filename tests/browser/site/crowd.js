// A page with many clients of one stream, each a consumer of its own, that notes what each applies and for how long it was
// without a connection. `socket`, `stream` and `clients` (how many) are in its address.
import { Ackwire } from "/pkg/index.js";

const { socket, stream, clients: count } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const crowd = Array.from({ length: count }, (_, index) => join(`client-${index}`));

window.fixture = {
  /** How many are connected. */
  connected: () => crowd.filter(({ client }) => client.state === "connected").length,
  /** How those fare that are not. */
  others: () =>
    crowd.filter(({ client }) => client.state !== "connected").map(({ client, last }) => `${client.consumer}: ${last}`),
  /** How many events the one that has the fewest has applied. */
  least: () => Math.min(...crowd.map(({ applied }) => applied.length)),
  /** What each has applied, and when it was back after it had lost its connection: `{at, waited, states}`, in milliseconds. */
  journals: () => crowd.map(({ client, applied, returns }) => ({ consumer: client.consumer, applied, returns })),
  troubles: () => crowd.flatMap(({ troubles }) => troubles),
};
await Promise.all(crowd.map(({ client }) => client.connect()));

function join(consumer) {
  const client = new Ackwire(socket, { consumer });
  const own = { client, applied: [], returns: [], troubles: [], last: "" };
  let left;
  let states = [];
  client.on("state", ({ current, previous, reason, code }) => {
    const now = performance.now();
    own.last = [current, reason, code].join(" ").trim();
    if (current === "failed") own.troubles.push(`${consumer}: ${own.last}`);
    if (previous === "connected") [left, states] = [now, []];
    if (left !== undefined) states.push(`${own.last} (${((now - left) / 1_000).toFixed(1)} s)`);
    if (current === "connected" && left !== undefined) own.returns.push({ at: now, waited: now - left, states });
  });
  client.on("error", ({ code, message }) => own.troubles.push(`${consumer}: ${code}: ${message}`));
  const run = client.subscribe(stream, { from: "start" });
  run.handle("*", ({ seq }) => void own.applied.push(seq));
  for (const name of ["lost", "reset", "error"]) run.on(name, () => own.troubles.push(`${consumer}: ${name}`));
  return own;
}
