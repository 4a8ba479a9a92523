// As much of Centrifugo's JSON protocol as a subscription takes: https://centrifugal.dev/docs/transports/client_protocol
import { PushServer } from "../../lib/push-server.mjs";

/** As Centrifugo's default: so many messages in one frame of a backlog. */
const PER_FRAME = 16;
const EPOCH = "bench";

export const start = () => new CentrifugeServer().listen();

class CentrifugeServer extends PushServer {
  perFrame = PER_FRAME;

  frame(channel, events) {
    const push = (event) => JSON.stringify({ push: { channel, pub: { data: event, offset: event.seq } } });
    return events.map(push).join("\n");
  }

  connected(socket) {
    socket.on("message", (data) => {
      for (const line of String(data).split("\n")) this.#answer(socket, JSON.parse(line));
    });
  }

  #answer(socket, { id, connect, subscribe }) {
    const reply = (result) => socket.send(JSON.stringify({ id, ...result }));
    if (connect) reply({ connect: { client: "page", version: "bench" } });
    if (!subscribe) return;
    const { channel, recover, offset = 0 } = subscribe;
    // What was missed is in the answer.
    const publications = recover ? this.kept.slice(offset).map((push) => JSON.parse(push).push.pub) : undefined;
    const position = { recoverable: true, positioned: true, epoch: EPOCH, offset: this.kept.length };
    reply({ subscribe: { ...position, ...(recover && { was_recovering: true, recovered: true, publications }) } });
    if (!recover) this.subscribe(channel, socket);
  }
}
