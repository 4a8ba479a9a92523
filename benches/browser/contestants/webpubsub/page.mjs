// Azure Web PubSub's client with its reliable protocol: what was received is confirmed once a second.
import { WebPubSubClient } from "@azure/web-pubsub-client";

export async function connect({ url }) {
  const client = new WebPubSubClient(url);
  await client.start();
  return {
    subscribe(streams) {
      const takes = new Map(streams);
      client.on("group-message", ({ message }) => takes.get(message.group)(message.data));
      for (const [stream] of streams) client.joinGroup(stream);
    },
  };
}
