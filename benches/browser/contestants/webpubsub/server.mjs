// As much of Azure Web PubSub's reliable JSON subprotocol as a group takes:
// https://learn.microsoft.com/azure/azure-web-pubsub/reference-json-reliable-webpubsub-subprotocol
import { PushServer } from "../../lib/push-server.mjs";

const PROTOCOL = "json.reliable.webpubsub.azure.v1";

export const start = () => new WebPubSubServer().listen({ protocol: PROTOCOL });

class WebPubSubServer extends PushServer {
  /** It confirms what the client has received; handled or not. */
  confirms = true;
  #confirmed = 0;

  frame(group, [event]) {
    // Numbered when it goes out: a connection counts over all of its groups.
    return { type: "message", from: "group", group, dataType: "json", data: event };
  }

  guest(options) {
    this.#confirmed = 0;
    return super.guest(options);
  }

  connected(socket, url) {
    const say = (message) => socket.send(JSON.stringify(message));
    const isBack = url.searchParams.has("awps_reconnection_token");
    let sequenceId = isBack ? this.#confirmed : 0;
    const { send } = socket;
    // Everything else is text by now.
    socket.send = (message, written) => {
      const text = typeof message === "string" ? message : JSON.stringify({ ...message, sequenceId: ++sequenceId });
      send.call(socket, text, written);
    };
    say({ type: "system", event: "connected", connectionId: "page", reconnectionToken: "token" });
    if (isBack) this.resume(socket, this.#confirmed);
    socket.on("message", (data) => {
      const { type, group, ackId, sequenceId: upto } = JSON.parse(data);
      if (type === "joinGroup") {
        say({ type: "ack", ackId, success: true });
        this.subscribe(group, socket);
      }
      if (type === "sequenceAck") {
        this.confirmations.add(upto - this.#confirmed, upto);
        this.#confirmed = upto;
      }
    });
  }
}
