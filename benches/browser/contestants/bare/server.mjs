// A `ws` server that sends frames which it has made before.
import { encode } from "@msgpack/msgpack";
import { PushServer } from "../../lib/push-server.mjs";

/** What a frame is made of, by the name of its form; JSON of objects without one. */
const FORMS = {
  arrays: ({ events, ...frame }) =>
    JSON.stringify({ ...frame, events: events.map(({ seq, id, type, time, data }) => [seq, id, type, time, data]) }),
  msgpack: (frame) => encode(frame, { ignoreUndefined: true }),
  dashes: (frame) => withDashes(frame),
  escaped: (frame) =>
    withDashes(frame).replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`),
};

/** With a dash as the first letter of every text, as language models like them: one is enough to make strings two bytes wide. */
const withDashes = (frame) =>
  JSON.stringify(frame, (name, value) => (name === "text" ? `\u2013${value.slice(1)}` : value));

export const start = (config) => new BareServer(config).listen();

class BareServer extends PushServer {
  constructor({ perFrame = 1, dedupe, ackEvery, form }) {
    super({ deflates: form === "deflate" });
    this.perFrame = perFrame;
    this.confirms = Boolean(dedupe);
    this.encode = FORMS[form] ?? JSON.stringify;
    this.address = { dedupe, ackEvery, form };
  }

  frame(stream, events, isLast) {
    const last = isLast || undefined;
    return this.encode({ stream, after: events[0].seq - 1, upto: events.at(-1).seq, events, last });
  }

  connected(socket) {
    socket.on("message", (data) => {
      const { subscribe, ack, upto, count } = JSON.parse(data);
      if (ack) this.confirmations.add(count, upto);
      if (subscribe) this.subscribe(subscribe, socket);
    });
  }
}
