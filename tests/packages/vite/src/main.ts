import { Ackwire, type AckwireEvent } from "ackwire";

interface RunEvents {
  agent_thinking: { number: number; text: string };
  tool_completed: { number: number; text: string };
}

const config = JSON.parse(decodeURIComponent(location.hash.slice(1))) as { socket: string; stream: string };
const applied: AckwireEvent<unknown>[] = [];

const client = new Ackwire(config.socket);
const run = client.subscribe<RunEvents>(config.stream, { from: "start" });
run.handle("agent_thinking", async (event) => {
  await Promise.resolve();
  show(event, event.data.text);
});
run.handle("tool_completed", (event) => show(event, `${event.data.number}: ${event.data.text}`));
Object.assign(window, { fixture: { applied, client, run } });
await client.connect();

function show(event: AckwireEvent<unknown>, text: string) {
  applied.push(event);
  document.querySelector("#list")?.append(Object.assign(document.createElement("li"), { textContent: text }));
}
