// The events of every workload: the same objects for every contestant.

/** What `data` has besides its text, with the largest number: `{"n":1000000,"text":""}`. */
const FRAME_OF_DATA = 24;

/**
 * The application's event number `n` (from 1), whose `data` is `bytes` long as JSON. What the page checks is `data.n`: the
 * producer's own count, which no transport has touched. `sent` is when its producer let go of it, for live workloads.
 */
export function makeEvent(n, bytes, sent) {
  const text = filler(Math.max(0, bytes - FRAME_OF_DATA));
  const data = sent === undefined ? { n, text } : { n, sent, text };
  return { id: eventId(n), type: "tool_completed", time: TIME, data };
}

/** The same as it lies in a log that numbers from 1. */
export const placedEvent = (n, bytes, sent) => ({ seq: n, ...makeEvent(n, bytes, sent) });

/** An id as long as a UUID, which is what producers use. */
const eventId = (n) => `8e1f4c6a-52d7-4b0e-9a3c-${String(n).padStart(12, "0")}`;

/** Any moment will do: nothing is decided by it. */
const TIME = 1_760_000_000_000;

const fillers = new Map();

/** Plain text of a length; the same object each time. */
function filler(length) {
  if (!fillers.has(length)) {
    const sentence = "The quick brown fox jumps over the lazy dog, and the agent writes down what it has seen. ";
    fillers.set(length, sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length));
  }
  return fillers.get(length);
}

/** The name of stream number `index`. */
export const streamName = (index) => `run:${index}`;
