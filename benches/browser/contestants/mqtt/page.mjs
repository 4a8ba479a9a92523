// MQTT.js with QoS 1: each message is confirmed when its listeners have returned.
import mqtt from "mqtt";

export async function connect({ url, clientId }) {
  const client = await mqtt.connectAsync(url, { clientId, clean: false, protocolVersion: 4 });
  return {
    subscribe(streams) {
      const takes = new Map(streams);
      const decoder = new TextDecoder();
      client.on("message", (topic, payload) => takes.get(topic)(JSON.parse(decoder.decode(payload))));
      client.subscribe(
        streams.map(([stream]) => stream),
        { qos: 1 },
      );
    },
  };
}
