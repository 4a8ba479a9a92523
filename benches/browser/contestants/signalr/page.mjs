// SignalR with stateful reconnect: what was received is confirmed once a second.
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

export async function connect({ url }) {
  const client = new HubConnectionBuilder()
    .withUrl(url.replace(/^ws/, "http"), { transport: HttpTransportType.WebSockets })
    .withStatefulReconnect()
    .withAutomaticReconnect()
    .configureLogging(LogLevel.Error)
    .build();
  await client.start();
  return {
    subscribe(streams) {
      const takes = new Map(streams);
      client.on("event", (stream, event) => takes.get(stream)(event));
      for (const [stream] of streams) client.send("subscribe", stream);
    },
  };
}
