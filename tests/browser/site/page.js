// A page that subscribes to one stream and applies its events to a list. What it does is in its address, so that a
// reload and a duplicated tab do the same:
//
//   socket, stream   where, and what
//   client, run      options of the client and of the subscription
//   handler          "sync" (default); "async": some events take a few turns; "gated": each waits for `release()`;
//                    "throws-once": the first try of each tenth event fails; "throws": every event fails until
//                    `mend()`; "hangs": no event settles
//   commits          true: the list lives in sessionStorage, each entry is its own position, and the subscription
//                    begins there: exactly once in applied state
//   tokens           true: the token comes from /token
import { Ackwire } from "/pkg/index.js";

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const applied = config.commits ? stored() : [];
const notices = [];
const waiting = [];
let mended = false;

const client = new Ackwire(config.socket, { ...config.client, ...(config.tokens && { token }) });
client.on("state", ({ current, reason, code }) => notices.push({ name: "state", current, reason, code }));
client.on("error", ({ code, message }) => notices.push({ name: "error", code, message }));

const last = applied.at(-1);
const from = config.commits && last ? { from: { epoch: last.epoch, seq: last.seq } } : {};
const run = client.subscribe(config.stream, { ...config.run, ...from });
for (const name of ["subscribed", "gap", "repaired", "lost", "reset", "ended", "failed", "error"]) {
  run.on(name, (detail) => notices.push({ name, ...plain(detail) }));
}
run.handle("*", handlers()[config.handler ?? "sync"]);

window.fixture = {
  Ackwire,
  applied,
  notices,
  client,
  run,
  /** How many events wait in a gated handler. */
  waiting: () => waiting.length,
  /** Lets the oldest of them finish. */
  release: () => waiting.shift()(),
  /** From now on the handler that throws does not. */
  mend: () => {
    mended = true;
  },
  seen: (name) => notices.filter((notice) => notice.name === name),
  rawExchange,
};
await client.connect().catch(({ code }) => notices.push({ name: "gave up", code }));

function handlers() {
  return {
    sync: apply,
    async: async (event) => {
      if (event.seq % 7 === 0) await new Promise((resolve) => setTimeout(resolve));
      apply(event);
    },
    gated: async (event) => {
      apply(event);
      await new Promise((resolve) => waiting.push(resolve));
    },
    "throws-once": (event) => {
      if (event.seq % 10 === 0 && event.attempt === 1) throw new Error(`no luck with ${event.seq}`);
      apply(event);
    },
    throws: (event) => {
      if (!mended) throw new Error(`no luck with ${event.seq}`);
      apply(event);
    },
    hangs: () => new Promise(() => {}),
  };
}

function apply({ seq, id, type, data, attempt }) {
  const entry = { seq, id, type, data, attempt, epoch: run.position.epoch };
  applied.push(entry);
  // The entry is the state and the position in one write: either both are there after a crash, or neither is.
  if (config.commits) sessionStorage.setItem(`applied.${seq}`, JSON.stringify(entry));
}

function stored() {
  const keys = Object.keys(sessionStorage).filter((key) => key.startsWith("applied."));
  return keys.map((key) => JSON.parse(sessionStorage.getItem(key))).sort((a, b) => a.seq - b.seq);
}

async function token() {
  const answer = await fetch("/token");
  return (await answer.json()).token;
}

/** What can be handed to the test of a notice's detail: no functions, errors as code and message. */
function plain(detail) {
  if (detail instanceof Error) return { code: detail.code, message: detail.message };
  const { event, error, ...rest } = detail ?? {};
  return {
    ...rest,
    ...(event && { seq: event.seq, attempt: event.attempt }),
    ...(error && { message: String(error) }),
  };
}

/** Talks to the server without the SDK: sends frames as they are, resolves once the server has closed. */
function rawExchange(frames) {
  return new Promise((resolve) => {
    const received = [];
    const socket = new WebSocket(config.socket, "ackwire.v1");
    socket.onopen = () => {
      for (const frame of frames) socket.send(typeof frame === "string" ? frame : new Uint8Array(frame));
    };
    socket.onmessage = ({ data }) => received.push(JSON.parse(data));
    socket.onclose = ({ code, reason }) => resolve({ code, reason, received });
  });
}
