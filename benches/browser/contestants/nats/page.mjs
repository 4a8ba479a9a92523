// nats.js on JetStream: an ordered consumer, which confirms nothing, or a durable one that confirms each event.
import { jetstream } from "@nats-io/jetstream";
import { wsconnect } from "@nats-io/nats-core";

const STREAM = "bench";

export async function connect({ url, explicit, consumers }) {
  const js = jetstream(await wsconnect({ servers: url }));
  return {
    subscribe(streams) {
      for (const [stream, take] of streams) {
        const callback = (message) => {
          take(message.json());
          if (explicit) message.ack();
        };
        const wanted = explicit ? consumers[stream] : { filter_subjects: stream };
        js.consumers.get(STREAM, wanted).then((consumer) => consumer.consume({ callback }));
      }
    },
  };
}
