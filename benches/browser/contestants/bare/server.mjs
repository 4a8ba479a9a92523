// A `ws` server that sends frames which it has made before.
import { PushServer } from "../../lib/push-server.mjs";

export const start = (config) => new BareServer(config).listen();

class BareServer extends PushServer {
  constructor({ perFrame = 1, dedupe, ackEvery }) {
    super();
    this.perFrame = perFrame;
    this.confirms = Boolean(dedupe);
    this.address = { dedupe, ackEvery };
  }

  frame(stream, events, isLast) {
    const last = isLast || undefined;
    return JSON.stringify({ stream, after: events[0].seq - 1, upto: events.at(-1).seq, events, last });
  }

  connected(socket) {
    socket.on("message", (data) => {
      const { subscribe, ack, upto, count } = JSON.parse(data);
      if (ack) this.confirmations.add(count, upto);
      if (subscribe) this.subscribe(subscribe, socket);
    });
  }
}
