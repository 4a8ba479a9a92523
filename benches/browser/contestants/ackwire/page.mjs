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

const WELCOME = {
  type: "welcome",
  connection: "stand-in",
  consumer: "page",
  heartbeat_ms: 25_000,
  max_frame_bytes: 262_144,
  server: { name: "stand-in", version: "0" },
};
const SUBSCRIBED = { type: "subscribed", epoch: "stand-in", after: 0, head: 0, oldest: 1, replayed_upto: 0 };

/** For a page without a server: as much of one as lets events in. */
export const server = {
  hear(text) {
    if (text.startsWith('{"type":"hello"')) return { answers: [JSON.stringify(WELCOME)] };
    if (text.startsWith('{"type":"ping"')) return { answers: ['{"type":"pong"}'] };
    if (!text.startsWith('{"type":"subscribe"')) return {};
    const { stream } = JSON.parse(text);
    return { answers: [JSON.stringify({ ...SUBSCRIBED, stream })], subscribed: 1 };
  },
  frame: (stream, after, events) => JSON.stringify({ type: "events", stream, after, upto: events.at(-1).seq, events }),
};
