// A page that applies several streams and keeps a journal of everything it is handed, which the test takes away piece
// by piece. What it does is in its address:
//
//   socket, client   where, and the client's options
//   streams          [{name, handler, run}]: handler "sync"; "slow": some events take a while; "failing": some fail at
//                    their first attempt, those of type "poison" always; "iterate": a loop instead of a handler
//   commits          true: positions are this page's own state, and subscriptions begin there
//   publishes        a stream to publish to, about once a second
import { digest } from "/digest.js";
import { keepMemories, wasmBytes } from "/memories.js";
import { Ackwire } from "/pkg/index.js";

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));
// What the page before a reload has left: nothing can be handled between this and that page's end.
const left = JSON.parse(sessionStorage.getItem("chaos") ?? '{"life":0,"next":0,"entries":[],"positions":{}}');
const life = left.life + 1;
let { next, entries } = left;
const { positions } = left;
addEventListener("pagehide", () => {
  sessionStorage.setItem("chaos", JSON.stringify({ life, next, entries, positions }));
});

keepMemories();
const clock = bendClock();
const client = new Ackwire(config.socket, config.client);
client.on("state", ({ current, reason, code }) => {
  note({ kind: current === "failed" ? "gave up" : "state", message: `${current}: ${[reason, code].join(" ").trim()}` });
});
client.on("error", ({ code, message }) => note({ kind: "error", message: `${code}: ${message}` }));
for (const [stream, { name, handler, run }] of config.streams.entries()) subscribe(stream, name, handler, run);
const publishing = config.publishes && setInterval(publish, 1_000);

window.fixture = {
  client,
  /** Forgets the entries before `upto`, which have arrived, and returns the rest. */
  take(upto) {
    entries = entries.filter(({ n }) => n >= upto);
    return { life, entries, consumer: client.consumer, stats: client.stats() };
  },
  wasmBytes,
  bendClock: clock.bend,
  /** Publishes nothing more; resolves when everything that was published is answered. */
  hush: () => {
    clearInterval(publishing);
    return client.flush();
  },
};
client.connect().catch(({ code }) => note({ kind: "gave up", message: code }));

function note(entry) {
  entries.push({ n: next++, life, ...entry });
}

function subscribe(stream, name, handler, options) {
  const from = config.commits && positions[name] ? { from: positions[name] } : {};
  const run = client.subscribe(name, { ...options, ...from });
  const tell = (kind, { seq, id, type, attempt, data }) => {
    note({ kind, stream, seq, id, type, attempt, digest: digest(data) });
  };
  const apply = (event) => {
    tell("applied", event);
    if (config.commits) positions[name] = { epoch: run.position.epoch, seq: event.seq };
  };
  run.on("lost", ({ after, upto, reason }) => note({ kind: "lost", stream, after, upto, reason }));
  run.on("reset", () => note({ kind: "reset", stream }));
  run.on("error", ({ code, message }) => note({ kind: "error", stream, message: `${code}: ${message}` }));
  run.on("failed", () => {});
  const handlers = {
    sync: apply,
    slow: async (event) => {
      tell("begun", event);
      if (digest(event.id) % 10 === 0) await new Promise((resolve) => setTimeout(resolve, digest(event.id) % 30));
      apply(event);
    },
    failing: (event) => {
      const fails = event.type === "poison" || (event.attempt === 1 && digest(event.id) % 20 === 0);
      if (!fails) return apply(event);
      tell("failed", event);
      throw new Error(`no luck with ${event.id}`);
    },
  };
  if (handler === "iterate") iterate(run, apply);
  else run.handle("*", handlers[handler]);
}

async function iterate(run, apply) {
  for await (const event of run) apply(event);
}

async function publish() {
  const id = `${client.consumer}.${life}.${next}`;
  const data = { from: id };
  note({ kind: "publishing", id, digest: digest(data) });
  try {
    const { seq } = await client.publish(config.publishes, "user_message", data, { id });
    note({ kind: "published", id, seq });
  } catch ({ code, message }) {
    note({ kind: "error", message: `publish: ${code}: ${message}` });
  }
}

/** Lets the clock on the wall jump. `performance.now()` is another clock, and goes on. */
function bendClock() {
  const Real = Date;
  let offset = 0;
  globalThis.Date = class extends Real {
    constructor(...args) {
      if (args.length > 0) super(...args);
      else super(Real.now() + offset);
    }
    static now() {
      return Real.now() + offset;
    }
  };
  return {
    bend: (ms) => {
      offset = ms;
    },
  };
}
