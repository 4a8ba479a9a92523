// socket.io's own server, whose `emit` to everybody makes each message once, too.
import { Server } from "socket.io";

export function start(listener, { connections, push }) {
  const io = new Server(listener, { transports: ["websocket"] });
  let ready = 0;
  io.on("connection", (socket) => {
    socket.on("ready", () => {
      ready += 1;
      if (ready === connections) push({ send, waiting });
    });
  });
  const send = (events) => io.emit("events", { events });
  const of = ({ conn }) => conn.transport.socket?.bufferedAmount ?? 0;
  const waiting = () => Math.max(...Array.from(io.sockets.sockets.values(), of));
  return "/socket.io/?EIO=4&transport=websocket";
}
