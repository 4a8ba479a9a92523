// Reconnect storms, from the client's side: however a server behaves, the client keeps to its backoff.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { startServer, startSite, until, useBrowser } from "./harness/index.mjs";

const open = useBrowser();
const BACKOFF = { baseMs: 10, maxMs: 60 };

/** Accepts every WebSocket and closes it at once with this code, or cuts it (no code), or refuses it (503). */
async function startClosing(t, how) {
  const closing = { how, connections: 0 };
  const listener = createServer((_, response) => response.writeHead(404).end());
  listener.on("upgrade", (request, socket) => {
    closing.connections++;
    socket.on("error", () => {});
    if (closing.how === "refuse") {
      return socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    }
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    const upgrade = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\n${upgrade.join("\r\n")}\r\nSec-WebSocket-Protocol: ackwire.v1\r\n\r\n`,
    );
    if (closing.how === "cut") return socket.destroy();
    socket.end(Buffer.from([0x88, 2, closing.how >> 8, closing.how & 0xff]));
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.close();
    listener.closeAllConnections();
  });
  closing.url = `ws://127.0.0.1:${listener.address().port}/v1/socket`;
  return closing;
}

/** A client of the page, and how its state changed. */
const start = (page, url, options) =>
  page.run(
    ({ url, options }) => {
      window.changes = [];
      window.attacked = new fixture.Ackwire(url, options);
      attacked.on("state", ({ current, retryInMs, reason }) => changes.push({ current, retryInMs, reason }));
      attacked.on("error", () => {});
      attacked.connect().catch(() => {});
    },
    { url, options },
  );

async function setUp(t) {
  const [server, site] = [await startServer(t), await startSite(t)];
  return open(t, site, { socket: server.socketUrl, stream: "run:1" });
}

test("a server that always closes at once gets no more tries than the backoff allows, at random times [AW-RETRY]", async (t) => {
  const page = await setUp(t);
  for (const how of [1011, 1000, 4503, 4400, 4999, "cut", "refuse"]) {
    const closing = await startClosing(t, how);
    await start(page, closing.url, { backoff: BACKOFF });
    const tries = 15;
    await until(`${tries} tries`, () => closing.connections >= tries);
    await page.run(() => attacked.close());
    const changes = await page.run(() => changes);
    const waits = changes.filter(({ current }) => current === "waiting").map(({ retryInMs }) => retryInMs);
    for (const [failures, wait] of waits.entries()) {
      const ceiling = Math.min(BACKOFF.maxMs, BACKOFF.baseMs * 2 ** failures);
      assert.ok(wait >= 0 && wait <= ceiling, `${how}: try ${failures} waits ${wait} of ${ceiling}`);
    }
    assert.ok(new Set(waits).size > 5, `${how}: full jitter: ${waits}`);
    // Not one connection besides the tries that the application was told of.
    const connecting = changes.filter(({ current }) => current === "connecting").length;
    assert.ok(closing.connections <= connecting, `${how}: ${closing.connections} connections, ${connecting} tries`);
  }
});

test("a terminal close ends it: no event of the browser makes the client try again [section 3]", async (t) => {
  const page = await setUp(t);
  for (const how of [4403, 4409]) {
    const closing = await startClosing(t, how);
    await start(page, closing.url, { backoff: BACKOFF });
    await page.until("it has failed", () => attacked.state === "failed");
    await page.run(() => {
      for (const name of ["online", "offline", "online", "pageshow", "focus"]) window.dispatchEvent(new Event(name));
      document.dispatchEvent(new Event("visibilitychange"));
    });
    // Later than anything that the old client may have had in mind: another one's 20 tries.
    closing.how = 1011;
    const before = closing.connections;
    await page.run(
      ({ url, options }) => {
        window.marker = new fixture.Ackwire(url, options);
        window.tries = 0;
        marker.on("state", ({ current }) => {
          if (current === "connecting") window.tries++;
        });
        marker.connect().catch(() => {});
      },
      { url: closing.url, options: { backoff: BACKOFF } },
    );
    await until("20 tries of another", () => closing.connections >= before + 20);
    const tries = await page.run(() => {
      marker.close();
      return window.tries;
    });
    assert.equal(before, 1, `${how}`);
    assert.ok(closing.connections - before <= tries, `${how}: every later connection is the other's`);
    assert.equal(await page.run(() => attacked.state), "failed");
  }
});
