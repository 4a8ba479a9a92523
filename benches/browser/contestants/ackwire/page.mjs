// The package as users get it, with its defaults.
import { Ackwire } from "/pkg/index.js";

export async function connect({ url, consumer, window, wasm }) {
  const client = new Ackwire(url, { consumer, wasm });
  await client.connect();
  return {
    subscribe(streams) {
      for (const [stream, take] of streams) client.subscribe(stream, { from: "start", window }).handle("*", take);
    },
    flush: () => client.flush(),
  };
}
