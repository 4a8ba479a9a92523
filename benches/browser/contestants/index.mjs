// Who takes part. Each has a folder with its page's side (`page.mjs`) and its server's (`server.mjs`).
// `confirms`: its server learns what was handled.

const bare = (perFrame) => ({
  title: `bare WebSocket + JSON.parse, ${perFrame} per frame`,
  folder: "bare",
  config: { perFrame },
});

export const contestants = {
  "bare-1": bare(1),
  "bare-16": bare(16),
  "bare-64": bare(64),
  "bare-256": bare(256),
  "ackwire-sqlite": { title: "Ackwire, SQLite", folder: "ackwire", config: { log: "sqlite" }, confirms: true },
  "ackwire-memory": { title: "Ackwire, log in memory", folder: "ackwire", config: { log: "memory" }, confirms: true },
};
