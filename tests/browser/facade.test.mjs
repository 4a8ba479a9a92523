// What an application may do with the package's API: loops, manual settling, concurrency, calls from within handlers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSite, until, useBrowser } from "./harness/index.mjs";

const open = useBrowser();

/** A connected page, and a server with `count` events in the stream "s". */
async function begin(t, { count = 0, consumer = "c" } = {}) {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "other", client: { consumer } });
  await page.untilConnected();
  const post = (from, upto, type = "t") =>
    server.post(
      "s",
      Array.from({ length: upto - from + 1 }, (_, index) => ({ id: `e-${from + index}`, type, data: from + index })),
    );
  if (count > 0) await post(1, count);
  /** Until the server says of the event what is expected. */
  const untilState = (id, state) =>
    until(`${id} is ${state}`, async () => (await server.deliveries("s", id))[0]?.state === state);
  return { server, page, post, untilState };
}

test("a loop confirms an event when it asks for the next one, and ends with the stream", async (t) => {
  const { server, page, untilState } = await begin(t, { count: 3 });
  await page.run(() => {
    window.seen = [];
    window.gates = [];
    const run = fixture.client.subscribe("s");
    window.loop = (async () => {
      for await (const { data } of run) {
        seen.push(data);
        await new Promise((resolve) => gates.push(resolve));
      }
      return "over";
    })();
  });
  await page.until("the first turn", () => seen.length === 1);
  assert.equal((await server.deliveries("s", "e-1"))[0].state, "sent");
  for (const turn of [2, 3]) {
    await page.run(() => gates.shift()());
    await page.until(`turn ${turn}`, (turn) => seen.length === turn, turn);
    await untilState(`e-${turn - 1}`, "confirmed");
  }
  await server.request("POST", "/v1/streams/s/end");
  await page.run(() => gates.shift()());
  assert.equal(await page.run(() => loop), "over");
  assert.deepEqual(await page.run(() => seen), [1, 2, 3]);
  await untilState("e-3", "confirmed");
});

test("a loop that is left fails the event that it held, unless that was confirmed", async (t) => {
  const { page, untilState } = await begin(t, { count: 3 });
  await page.run(async () => {
    window.run = fixture.client.subscribe("s");
    for await (const event of run) {
      event.confirm();
      break;
    }
    for await (const { data } of run) if (data === 2) break;
  });
  await untilState("e-1", "confirmed");
  // The next loop gets it again, with another attempt; 3 was never handed over, so it comes first and once.
  const again = await page.run(async () => {
    const seen = [];
    for await (const event of run) {
      seen.push([event.data, event.attempt]);
      event.confirm();
      if (event.data === 2) return seen;
    }
  });
  assert.deepEqual(again, [
    [3, 1],
    [2, 2],
  ]);
  await untilState("e-2", "confirmed");
});

test("with manual settling only the application confirms, in any order", async (t) => {
  const { server, page, untilState } = await begin(t, { count: 3 });
  await page.run(() => {
    window.events = [];
    fixture.client.subscribe("s", { confirm: "manual" }).handle("*", (event) => events.push(event));
  });
  await page.until("all three", () => events.length === 3);
  await page.run(() => {
    events[2].confirm();
    return fixture.client.flush();
  });
  await untilState("e-3", "confirmed");
  assert.equal((await server.deliveries("s", "e-1"))[0].state, "sent");
  await page.run(() => {
    events[0].confirm();
    events[1].fail(new Error("not today"), { retry: false });
  });
  await untilState("e-1", "confirmed");
  const dead = await until("e-2 is dead", async () => {
    const [delivery] = await server.deliveries("s", "e-2");
    return delivery.state === "dead" && delivery;
  });
  assert.match(dead.last_error, /not today/);
});

test("asynchronous handlers run one after another, or as many at a time as `concurrency` says", async (t) => {
  const { page } = await begin(t, { count: 10 });
  const highest = (stream, options) =>
    page.run(
      ({ stream, options }) =>
        new Promise((resolve) => {
          let [running, highest, done] = [0, 0, 0];
          const run = fixture.client.subscribe(stream, options);
          run.handle("*", async () => {
            highest = Math.max(highest, ++running);
            await new Promise((resolve) => setTimeout(resolve));
            running--;
            if (++done === 10) {
              run.unsubscribe();
              resolve(highest);
            }
          });
        }),
      { stream, options },
    );
  assert.equal(await highest("s", { from: "start" }), 1);
  assert.equal(await highest("s", { from: { epoch: await epochOf(page), seq: 0 }, concurrency: 4 }), 4);
});

const epochOf = (page) =>
  page.run(
    () =>
      new Promise((resolve) => {
        const run = fixture.client.subscribe("s", { from: "now" });
        run.on("subscribed", ({ epoch }) => {
          run.unsubscribe();
          resolve(epoch);
        });
      }),
  );

test("events wait for the first handler; then one that no handler matches is confirmed and counted", async (t) => {
  const { server, page, post, untilState } = await begin(t, { count: 2 });
  await page.run(() => {
    window.run = fixture.client.subscribe("s");
  });
  await page.until("both have arrived", () => run.position.received === 2);
  assert.equal((await server.deliveries("s", "e-2"))[0].state, "sent");
  const seen = await page.run(
    () =>
      new Promise((resolve) => {
        const seen = [];
        run.handle("t", ({ data }) => seen.push(["t", data]));
        run.handle("*", ({ data }) => seen.push(["*", data]) === 4 && resolve(seen));
      }),
  );
  assert.deepEqual(seen, [
    ["t", 1],
    ["*", 1],
    ["t", 2],
    ["*", 2],
  ]);
  await page.run(() => {
    run.unsubscribe();
    window.run = fixture.client.subscribe("s");
    run.handle("t", () => {});
  });
  await post(3, 3, "nobody_cares");
  await untilState("e-3", "confirmed");
  assert.equal(
    await page.run(() => fixture.client.stats().subscriptions.find((held) => held.stream === "s").unhandled),
    1,
  );
});

test("a handler that comes or goes while events of its type are handed over counts from the next one on", async (t) => {
  const { page } = await begin(t, { count: 4 });
  const seen = await page.run(
    () =>
      new Promise((resolve) => {
        const seen = [];
        const run = fixture.client.subscribe("s");
        const leave = run.handle("t", ({ data }) => {
          seen.push(["first", data]);
          if (data === 2) run.handle("t", ({ data }) => seen.push(["second", data]));
          if (data === 3) leave();
        });
        run.handle("*", ({ data }) => data === 4 && resolve(seen));
      }),
  );
  assert.deepEqual(seen, [
    ["first", 1],
    ["first", 2],
    ["first", 3],
    ["second", 3],
    ["second", 4],
  ]);
});

test("a handler may unsubscribe itself: what was handled before is confirmed, the rest comes to its successor", async (t) => {
  const { page, untilState } = await begin(t, { count: 5 });
  await page.run(
    () =>
      new Promise((resolve) => {
        const run = fixture.client.subscribe("s");
        run.handle("*", ({ data }) => {
          if (data < 3) return;
          run.unsubscribe();
          resolve();
        });
      }),
  );
  await untilState("e-2", "confirmed");
  const rest = await page.run(
    () =>
      new Promise((resolve) => {
        const seen = [];
        fixture.client.subscribe("s").handle("*", ({ data }) => {
          seen.push(data);
          if (data === 5) resolve(seen);
        });
      }),
  );
  assert.deepEqual(rest, [3, 4, 5]);
  await untilState("e-5", "confirmed");
});

test("a handler may close the client: what was handled before is confirmed, and every call then says why it fails", async (t) => {
  const { page, untilState } = await begin(t, { count: 5 });
  const codes = await page.run(
    () =>
      new Promise((resolve) => {
        const { client } = fixture;
        client.subscribe("s").handle("*", async ({ data }) => {
          if (data < 3) return;
          const pending = client.publish("never", "t", null).catch(({ code }) => code);
          await client.close();
          const refused = await client.connect().catch(({ code }) => code);
          resolve([await pending, refused, client.state]);
        });
      }),
  );
  assert.deepEqual(codes, ["closed", "closed", "closed"]);
  await untilState("e-2", "confirmed");
});

test("what was published before the connection is sent once there is one", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "other", client: { consumer: "first" } });
  const published = await page.run(async (socket) => {
    const client = new fixture.Ackwire(socket, { consumer: "second" });
    const early = client.publish("s", "user_message", { text: "früh" }, { id: "m-1", meta: { run_id: "r" } });
    await client.connect();
    return early;
  }, server.socketUrl);
  assert.deepEqual(published, { id: "m-1", seq: 1, duplicate: false });
  const [event] = await server.log("s");
  assert.deepEqual(event.data, { text: "früh" });
  assert.deepEqual(event.meta, { run_id: "r" });
});

test("a filter lets pass what has a wanted type and every wanted piece of meta", async (t) => {
  const { server, page } = await begin(t);
  const run = 'run "1"';
  await server.post("s", [
    { id: "e-1", type: "wanted", data: 1, meta: { run, part: "a" } },
    { id: "e-2", type: "other", data: 2, meta: { run, part: "a" } },
    { id: "e-3", type: "wanted", data: 3, meta: { run } },
    { id: "e-4", type: "wanted", data: 4, meta: { run: "run 2", part: "a" } },
    { id: "e-5", type: "also_wanted", data: 5, meta: { run, part: "a", more: "b" } },
  ]);
  const seen = await page.run(
    (run) =>
      new Promise((resolve) => {
        const seen = [];
        const filter = { types: ["wanted", "also_wanted"], meta: { run, part: "a" } };
        fixture.client.subscribe("s", { filter }).handle("*", ({ data }) => {
          seen.push(data);
          if (data === 5) resolve(seen);
        });
      }),
    run,
  );
  assert.deepEqual(seen, [1, 5]);
});

test("so many publishes may wait, before the connection and on it, and one more is refused with what to do", async (t) => {
  const [server, site] = [await startServer(t, { args: ["--dev", "--max-publish-burst", "2000"] }), await startSite(t)];
  const page = await open(t, site, { socket: server.socketUrl, stream: "other", client: { consumer: "first" } });
  const refused = await page.run(async (socket) => {
    const client = new fixture.Ackwire(socket, { consumer: "second" });
    const publish = (n) => client.publish("s", "t", n, { id: `m-${n}` });
    const told = ({ name, code, remediation }) => ({ name, code, remediation });
    window.taken = Array.from({ length: 1000 }, (_, n) => publish(n));
    const early = await publish(1000).catch(told);
    await client.connect();
    // Of those on their way none is answered within this turn of the page.
    const onTheWay = publish(1000).catch(told);
    return [early, await onTheWay];
  }, server.socketUrl);
  const expected = {
    name: "AckwireError",
    code: "outbox_full",
    remediation: "Wait for earlier publishes to resolve before sending more.",
  };
  assert.deepEqual(refused, [expected, expected]);
  const seqs = await page.run(async () => (await Promise.all(taken)).map(({ seq }) => seq));
  assert.deepEqual(
    seqs,
    Array.from({ length: 1000 }, (_, n) => n + 1),
    "what was taken came in order",
  );
});

test("ten thousand replayed events do not starve the page", async (t) => {
  const { server, page } = await begin(t);
  for (let from = 1; from <= 10_000; from += 500) {
    await server.post(
      "s",
      Array.from({ length: 500 }, (_, index) => ({ id: `e-${from + index}`, type: "t", data: from + index })),
    );
  }
  const { frames, expected } = await page.run(
    () =>
      new Promise((resolve) => {
        let frames = 0;
        const begun = performance.now();
        const paint = () => {
          frames++;
          requestAnimationFrame(paint);
        };
        requestAnimationFrame(paint);
        fixture.client.subscribe("s", { window: { events: 10_000 } }).handle("*", ({ data }) => {
          // A tenth of a millisecond of work for each, one second in all.
          const until = performance.now() + 0.1;
          while (performance.now() < until);
          if (data === 10_000) resolve({ frames, expected: (performance.now() - begun) / 100 });
        });
      }),
  );
  assert.ok(frames >= expected, `painted at least ten times a second: ${frames} frames, at least ${expected} wanted`);
});

/** So many events come at first, whatever the window: the server uses it by and by. */
const WAITING = 200;

/**
 * Hands `count` events that wait to a handler that takes `costs(n)` milliseconds for the n-th, by a clock that moves only
 * so. Returns how long they took between one turn of the page and the next.
 */
const sliced = (page, count, costs) =>
  page.run(
    ({ count, costs }) =>
      new Promise((resolve) => {
        const run = fixture.client.subscribe("s", { from: "start" });
        const cost = new Function("n", `return ${costs}`);
        const { port1, port2 } = new MessageChannel();
        const turns = [];
        let [now, isNew, seen] = [0, true, 0];
        port1.onmessage = () => {
          isNew = true;
          if (seen < count) port2.postMessage(null);
        };
        const attach = () => {
          now = performance.now();
          performance.now = () => now;
          port2.postMessage(null);
          run.handle("*", ({ data }) => {
            if (data !== ++seen) throw new Error(`event ${data} came where ${seen} was due`);
            if (isNew) turns.push(0);
            isNew = false;
            turns[turns.length - 1] += cost(seen);
            now += cost(seen);
            if (seen < count) return;
            delete performance.now;
            run.unsubscribe();
            resolve(turns);
          });
        };
        const arrived = setInterval(() => {
          if (run.position.received < count) return;
          clearInterval(arrived);
          attach();
        }, 10);
      }),
    { count, costs },
  );

test("handlers are interrupted for the page's turn after 8 ms, however quick or slow they are", async (t) => {
  const { page } = await begin(t, { count: WAITING });
  for (const ms of [0.05, 0.7, 3, 20]) {
    const turns = await sliced(page, WAITING, ms);
    const longest = Math.max(...turns);
    assert.ok(longest < 8 + ms + 0.01, `${ms} ms an event: ${longest} ms without a turn`);
    // Nor are quick ones held up: no turn is given away before its time.
    assert.ok(turns.length <= Math.ceil((WAITING * ms) / 8) + 1, `${ms} ms an event: ${turns.length} turns`);
  }
});

test("handlers that become slow are noticed within a few events", async (t) => {
  const { page } = await begin(t, { count: WAITING });
  const turns = await sliced(page, WAITING, "n > 100 ? 5 : 0.01");
  const [first, ...later] = turns.filter((ms) => ms > 2);
  assert.ok(first <= 8 + 8 * 5, `${first} ms without a turn as they became slow`);
  for (const ms of later) assert.ok(ms < 8 + 5 + 0.01, `${ms} ms without a turn`);
});
