// The limit: a WebSocket and JSON.parse, and nothing that a network may do is provided for.
import { decode } from "@msgpack/msgpack";

/** How a frame is read, by the name of its form. */
const FORMS = {
  arrays: (text) => {
    const frame = JSON.parse(text);
    frame.events = frame.events.map(([seq, id, type, time, data]) => ({ seq, id, type, time, data }));
    return frame;
  },
  msgpack: decode,
};

export async function connect({ url, dedupe = false, ackEvery = 0, form }) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return {
    subscribe(streams) {
      const receive = dedupe ? careful(socket, streams, ackEvery) : plain(streams);
      const read = FORMS[form] ?? JSON.parse;
      socket.onmessage = ({ data }) => receive(read(data));
      for (const [stream] of streams) socket.send(JSON.stringify({ subscribe: stream }));
    },
  };
}

function plain(streams) {
  const takes = new Map(streams);
  return ({ stream, events }) => {
    const take = takes.get(stream);
    for (const event of events) take(event);
  };
}

/** What many write by hand: a set of the ids that were seen, and an ack for every so many events. */
function careful(socket, streams, ackEvery) {
  const held = new Map(streams.map(([stream, take]) => [stream, { take, seen: new Set(), unacked: 0 }]));
  return ({ stream, events, last }) => {
    const state = held.get(stream);
    for (const event of events) {
      if (state.seen.has(event.id)) continue;
      state.seen.add(event.id);
      state.take(event);
    }
    state.unacked += events.length;
    if (state.unacked < ackEvery && !last) return;
    socket.send(JSON.stringify({ ack: stream, upto: events.at(-1).seq, count: state.unacked }));
    state.unacked = 0;
  };
}

/** For a page without a server. */
export const server = {
  hear: (text) => ({ subscribed: "subscribe" in JSON.parse(text) ? 1 : 0 }),
  frame: (stream, after, events) => JSON.stringify({ stream, after, upto: events.at(-1).seq, events }),
};
