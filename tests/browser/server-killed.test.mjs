// The server is killed, or stopped, in the middle of a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { produce, seeded, startServer, startSite, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

const EVENTS = 1_000;

for (const [signal, what] of [
  ["SIGKILL", "killed"],
  ["SIGTERM", "stopped politely"],
]) {
  test(`a server that is ${what} three times during a run, and restarted, loses nothing it acknowledged`, async (t) => {
    const random = seeded();
    const [server, site] = [await startServer(t), await startSite(t)];
    const page = await open(t, site, {
      socket: server.socketUrl,
      stream: "run:1",
      client: { backoff: { maxMs: 1_000 } },
    });
    await page.untilConnected();

    // The producer asks again, with the same ids, while nobody answers. The last part comes after the last kill.
    const part = EVENTS / 4;
    for (let done = 0; done < EVENTS; done += part) {
      const producing = produce(server, "run:1", { from: done + 1, upto: done + part });
      if (done + part < EVENTS) {
        await page.untilApplied(done + 1 + random.below(part));
        await server.kill(signal);
        await server.start();
      }
      await producing;
    }

    await verdict(server, "run:1", page);
    assert.equal((await page.applied()).length, EVENTS);
  });
}

test("a server that lost its log says so: reset, and the page begins anew [AW-SUB-5]", async (t) => {
  const [server, site] = [await startServer(t, { args: ["--dev", "--log", "memory"] }), await startSite(t)];
  const page = await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    client: { backoff: { maxMs: 1_000 } },
  });
  await produce(server, "run:1", { from: 1, upto: 20 });
  await verdict(server, "run:1", page);
  const before = await page.run(() => fixture.run.position);

  await server.kill();
  await server.start();
  await produce(server, "run:1", { from: 101, upto: 110 });

  const [reset] = await page.until(
    "the page heard of the reset",
    () => fixture.seen("reset").length && fixture.seen("reset"),
  );
  assert.deepEqual(reset.void, { epoch: before.epoch, seq: before.confirmed });
  assert.equal(reset.position.seq, 0);
  assert.notEqual(reset.position.epoch, before.epoch);
  await page.untilApplied(30);
  const applied = await page.applied();
  assert.deepEqual(
    applied.slice(20).map(({ id }) => id),
    (await server.log("run:1")).map(({ id }) => id),
  );
});
