// centrifuge-js: order and offsets, without confirmations.
import { Centrifuge } from "centrifuge";

export async function connect({ url }) {
  const client = new Centrifuge(url);
  const connected = new Promise((resolve) => client.once("connected", resolve));
  client.connect();
  await connected;
  return {
    subscribe(streams) {
      for (const [stream, take] of streams) {
        const subscription = client.newSubscription(stream, { recoverable: true });
        subscription.on("publication", ({ data }) => take(data));
        subscription.subscribe();
      }
    },
  };
}
