// socket.io's client; with acks its server learns that the handler has returned.
import { io } from "socket.io-client";

export async function connect({ url }) {
  const socket = io(url, { transports: ["websocket"] });
  await new Promise((resolve) => socket.once("connect", resolve));
  return {
    subscribe(streams) {
      const takes = new Map(streams);
      socket.on("event", (stream, event, ack) => {
        takes.get(stream)(event);
        // With connection state recovery there is an offset in its place.
        if (typeof ack === "function") ack();
      });
      for (const [stream] of streams) socket.emit("subscribe", stream);
    },
  };
}
