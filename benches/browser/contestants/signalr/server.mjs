// As much of SignalR's hub protocol as a stateful connection takes:
// https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md
import { PushServer } from "../../lib/push-server.mjs";

const END = "\x1e";
const [INVOCATION, PING, ACK, SEQUENCE] = [1, 6, 8, 9];
const PING_MS = 10_000;

export const start = () => new SignalRServer().listen({ path: "/hub", answer: negotiate });

class SignalRServer extends PushServer {
  /** It confirms what the client has received; handled or not. */
  confirms = true;
  #confirmed = 0;

  frame(stream, [event]) {
    return JSON.stringify({ type: INVOCATION, target: "event", arguments: [stream, event] }) + END;
  }

  guest(options) {
    this.#confirmed = 0;
    return super.guest(options);
  }

  connected(socket) {
    const say = (message) => socket.send(JSON.stringify(message) + END);
    const alive = setInterval(() => say({ type: PING }), PING_MS);
    socket.on("close", () => clearInterval(alive));
    socket.on("message", (data) => {
      for (const text of String(data).split(END).filter(Boolean)) {
        const message = JSON.parse(text);
        if (message.protocol) say({});
        if (message.type === INVOCATION) this.subscribe(message.arguments[0], socket);
        if (message.type === ACK) this.#acked(message.sequenceId);
        if (message.type === SEQUENCE) {
          // The connection is taken up again: with what was not confirmed on the one before.
          say({ type: SEQUENCE, sequenceId: this.#confirmed + 1 });
          this.resume(socket, this.#confirmed);
        }
      }
    });
  }

  #acked(sequenceId) {
    this.confirmations.add(sequenceId - this.#confirmed, sequenceId);
    this.#confirmed = sequenceId;
  }
}

/** Where the client asks first; it promises that a connection can be taken up again. */
function negotiate(request, response) {
  response.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
  response.setHeader("access-control-allow-credentials", "true");
  response.setHeader("access-control-allow-headers", "content-type, x-requested-with, x-signalr-user-agent");
  response.setHeader("cross-origin-resource-policy", "cross-origin");
  response.setHeader("content-type", "application/json");
  const transport = { transport: "WebSockets", transferFormats: ["Text"] };
  const ids = { connectionId: "page", connectionToken: "page" };
  response.end(
    request.method === "POST"
      ? JSON.stringify({ negotiateVersion: 1, ...ids, availableTransports: [transport], useStatefulReconnect: true })
      : "",
  );
}
