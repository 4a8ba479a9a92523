// What the compiler must accept, and what it must refuse. Never runs.
import { Ackwire, type AckwireError, type Position } from "ackwire";

interface RunEvents {
  agent_thinking: { token: string };
  tool_completed: { files: number };
}

export async function check(client: Ackwire) {
  const run = client.subscribe<RunEvents>("run:1", { from: "start", window: { events: 64 } });

  run.handle("agent_thinking", (event) => event.data.token.length satisfies number);
  run.handle("*", (event) => {
    if (event.type === "tool_completed") event.data.files.toFixed();
  });
  // @ts-expect-error: no such event
  run.handle("tool_complete", () => {});
  // @ts-expect-error: its data holds no such field
  run.handle("tool_completed", (event) => event.data.token);
  // @ts-expect-error: a notice is no event
  run.handle("lost", () => {});

  run.on("lost", ({ after, upto, reason }) => `${after + upto} ${reason}`);
  run.on("reset", ({ position }) => position satisfies Position);
  // @ts-expect-error: an event is no notice
  run.on("agent_thinking", () => {});

  // @ts-expect-error: no such place
  client.subscribe("run:2", { from: "yesterday" });
  // @ts-expect-error: no such option
  new Ackwire("wss://example.com/v1/socket", { tokn: "…" });

  for await (const event of run) {
    if (event.type === "agent_thinking") event.data.token satisfies string;
  }
  const published = await client.publish("run:1", "user_message", { text: "hello" });
  published.seq satisfies number;
  client.on("state", ({ current, retryInMs }) => [current, retryInMs]);
  client.on("error", (error) => error satisfies AckwireError);
}
