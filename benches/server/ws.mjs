// A bare `ws` server: each message is made once, and sent to everybody.
import { WebSocketServer } from "ws";

export function start(listener, { connections, push }) {
  const sockets = [];
  new WebSocketServer({ server: listener }).on("connection", (socket) => {
    socket.on("message", () => {
      sockets.push(socket);
      if (sockets.length === connections) push({ send, waiting });
    });
  });
  const send = (events) => {
    const message = JSON.stringify({ events });
    for (const socket of sockets) socket.send(message);
  };
  const waiting = () => Math.max(...sockets.map((socket) => socket.bufferedAmount));
  return "/";
}
