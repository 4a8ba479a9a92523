// Who takes part. Each has a folder with its page's side (`page.mjs`) and its server's (`server.mjs`).
// `confirms`: its server learns what was handled, or received. `resumes`: after a cut it gets what it has missed.
// `takesMillion`: it has its turn with a million events as well, which takes the slow ones minutes.
// `hasEngine`: its page compiles a program before it connects.
// `hasStandIn`: its page can be measured without a server.
// `isTrial`: it takes part only when it is asked for by name.

const bare = (perFrame) => ({
  title: `bare WebSocket + JSON.parse, ${perFrame} per frame`,
  folder: "bare",
  config: { perFrame },
});

/** The limit at 64 events per frame with frames of another form, to see what that would gain. */
const formed = (form, title) => ({
  title: `bare, 64 per frame, ${title}`,
  folder: "bare",
  config: { perFrame: 64, form },
  isTrial: true,
});

/** Ackwire with another window than its default, to see what the round trips cost. */
const windowed = (events) => ({
  title: `Ackwire, log in memory, a window of ${events.toLocaleString("en-US")} events`,
  folder: "ackwire",
  config: { log: "memory", window: { events, bytes: 4 << 20 } },
  confirms: true,
  isTrial: true,
});

export const contestants = {
  "bare-1": bare(1),
  "bare-16": bare(16),
  "bare-64": { ...bare(64), takesMillion: true, hasStandIn: true },
  "bare-256": bare(256),
  "bare-acks": {
    title: "bare, 64 per frame, a Set of ids, an ack per 64",
    takesMillion: true,
    hasStandIn: true,
    folder: "bare",
    config: { perFrame: 64, dedupe: true, ackEvery: 64 },
    confirms: true,
  },
  "ackwire-sqlite": {
    title: "Ackwire, SQLite",
    resumes: true,
    takesMillion: true,
    folder: "ackwire",
    config: { log: "sqlite" },
    confirms: true,
  },
  "ackwire-memory": {
    title: "Ackwire, log in memory",
    hasEngine: true,
    hasStandIn: true,
    resumes: true,
    takesMillion: true,
    folder: "ackwire",
    config: { log: "memory" },
    confirms: true,
  },
  "nats-ordered": { title: "NATS JetStream, ordered consumer", resumes: true, takesMillion: true, folder: "nats" },
  "nats-explicit": {
    title: "NATS JetStream, explicit acks",
    resumes: true,
    folder: "nats",
    config: { explicit: true },
    confirms: true,
  },
  centrifuge: { title: "centrifuge, 16 per frame", resumes: true, takesMillion: true, folder: "centrifuge" },
  socketio: { title: "socket.io", takesMillion: true, folder: "socketio" },
  "socketio-acks": { title: "socket.io, with acks", folder: "socketio", config: { acks: true }, confirms: true },
  "socketio-recovery": {
    title: "socket.io, connection state recovery",
    resumes: true,
    folder: "socketio",
    config: { recovery: true },
  },
  signalr: { title: "SignalR, stateful reconnect", resumes: true, folder: "signalr", confirms: true },
  webpubsub: { title: "Azure Web PubSub, reliable", resumes: true, folder: "webpubsub", confirms: true },
  "form-arrays": formed("arrays", "events as arrays"),
  "form-msgpack": formed("msgpack", "MessagePack in binary frames"),
  "form-deflate": formed("deflate", "permessage-deflate"),
  "form-dashes": formed("dashes", "a dash in each text"),
  "form-escaped": formed("escaped", "the same in ASCII"),
  "window-256": windowed(256),
  "window-4096": windowed(4096),
  mqtt: { title: "MQTT.js, QoS 1", resumes: true, folder: "mqtt", confirms: true },
};
