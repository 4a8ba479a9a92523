// A page that follows runs as they come and go, and keeps nothing of them but counts: what grows here is the package's.
import { keepMemories, wasmBytes } from "/site/memories.js";

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));
keepMemories();
const { Ackwire } = await import("/pkg/index.js");

/** Events applied, and what must stay 0. */
const counts = { applied: 0, disordered: 0, lost: 0, failed: 0, errors: 0, reconnects: -1 };
const client = new Ackwire(config.socket, { consumer: "tab" });
client.on("error", () => count("errors"));
client.on("state", ({ current }) => current === "connected" && count("reconnects"));
addEventListener("error", () => count("errors"));
addEventListener("unhandledrejection", () => count("errors"));
await client.connect();

window.soak = { follow, report };

/** Subscribes to a run until it ends; its events are numbered from 1. */
function follow(stream) {
  const run = client.subscribe(stream, { from: "start" });
  let last = 0;
  run.handle("*", ({ data }) => {
    if (data.number !== last + 1) count("disordered");
    last = data.number;
    count("applied");
  });
  run.on("lost", () => count("lost"));
  run.on("failed", () => count("failed"));
  run.on("ended", () => run.unsubscribe());
}

function report() {
  const { connections, subscriptions } = client.stats();
  const wasm = wasmBytes();
  if (wasm === 0) throw new Error("The package's WebAssembly memory was not found: see memories.js.");
  return { ...counts, connections, subscriptions: subscriptions.length, wasm };
}

function count(name) {
  counts[name] += 1;
}
