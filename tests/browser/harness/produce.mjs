// What an agent's back end does: appends the events of a run, with ids of its own.

/** Events `from` to `upto` (from 1) of a run, as a producer names them. */
export const runEvents = (from, upto) => Array.from({ length: upto - from + 1 }, (_, index) => event(from + index));

const event = (number) => ({
  id: `e-${number}`,
  type: number % 50 === 0 ? "tool_completed" : "agent_thinking",
  data: { number, text: `Schritt ${number} ✓` },
});

/** Appends events `from` to `upto` in requests of `batch`, each answered before the next. */
export async function produce(server, stream, { from, upto, batch = 10 }) {
  for (let next = from; next <= upto; next += batch) {
    await server.postUntilAnswered(stream, runEvents(next, Math.min(upto, next + batch - 1)));
  }
}
