// The network that these tests break is broken in the ways it says: otherwise they would prove nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { startProxy, until } from "./harness/index.mjs";

/** A server that remembers what it is told and how each connection ended, and says everything back. */
async function startEcho(t) {
  const heard = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const ear = { text: "", chunks: 0, end: undefined, socket };
    heard.push(ear);
    listen(socket, ear);
    socket.on("data", (chunk) => socket.write(chunk));
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.close();
    for (const { socket } of heard) socket.destroy();
  });
  return { port: listener.address().port, heard };
}

function listen(socket, ear) {
  socket.on("data", (chunk) => {
    ear.text += chunk;
    ear.chunks += 1;
  });
  socket.on("end", () => {
    ear.end = "goodbye";
  });
  socket.on("error", ({ code }) => {
    ear.end = code;
  });
}

/** A connection through the proxy. */
async function call(t, proxy) {
  const socket = connect({ port: Number(new URL(proxy.url).port), host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  const ear = { text: "", chunks: 0, end: undefined };
  listen(socket, ear);
  await once(socket, "connect");
  return { ear, say: (text) => socket.write(text) };
}

async function setUp(t) {
  const echo = await startEcho(t);
  const proxy = await startProxy(t, echo);
  return { echo, proxy, caller: await call(t, proxy) };
}

const hears = (ear, text) => until(`${text.slice(0, 20)} is heard`, () => ear.text === text);

test("a cut is a reset, or a goodbye, to both sides at once", async (t) => {
  for (const [how, seen] of [
    ["reset", "ECONNRESET"],
    ["end", "goodbye"],
  ]) {
    const { echo, proxy, caller } = await setUp(t);
    caller.say("hello");
    await hears(caller.ear, "hello");
    assert.equal(proxy.cut(how), 1);
    await until("both sides see it", () => caller.ear.end && echo.heard[0].end);
    assert.deepEqual([caller.ear.end, echo.heard[0].end], [seen, seen]);
  }
});

test("a stall holds back what goes one way, and loses nothing", async (t) => {
  const { echo, proxy, caller } = await setUp(t);
  proxy.stall("down");
  caller.say("one");
  await hears(echo.heard[0] ?? (await until("a connection", () => echo.heard[0])), "one");
  proxy.resume();
  await hears(caller.ear, "one");

  proxy.stall("up");
  caller.say("two");
  echo.heard[0].socket.write("!");
  await hears(caller.ear, "one!");
  assert.equal(echo.heard[0].text, "one", "nothing came through on its way up");
  proxy.resume();
  await hears(caller.ear, "one!two");
});

test("what is half-open takes everything and forwards nothing, goodbyes neither; it never recovers", async (t) => {
  const { echo, proxy, caller } = await setUp(t);
  caller.say("before");
  await hears(caller.ear, "before");
  proxy.goDeaf();
  caller.say("lost");
  const late = await call(t, proxy);
  late.say("lost too");
  proxy.recover();
  const next = await call(t, proxy);
  next.say("after");
  await hears(next.ear, "after");
  echo.heard[0].socket.end("goodbye");
  next.say("!");
  await hears(next.ear, "after!");
  assert.deepEqual([caller.ear.text, caller.ear.end, late.ear.text], ["before", undefined, ""]);
  assert.deepEqual(echo.heard.map(({ text }) => text).sort(), ["", "after!", "before"]);
});

test("a throttle lets a little through, and the rest once it is lifted", async (t) => {
  const { echo, proxy, caller } = await setUp(t);
  const text = "x".repeat(100_000);
  proxy.throttle(1_000);
  caller.say(text);
  await until("a part has come", () => echo.heard[0]?.text.length > 0);
  assert.ok(echo.heard[0].text.length < text.length / 2);
  proxy.throttle(Number.POSITIVE_INFINITY);
  await hears(caller.ear, text);
});

test("what is split comes byte by byte", async (t) => {
  const { echo, proxy, caller } = await setUp(t);
  const text = "0123456789".repeat(100);
  proxy.splitInto(1);
  caller.say(text);
  await hears(caller.ear, text);
  assert.ok(echo.heard[0].chunks > 100, `${echo.heard[0].chunks} chunks`);
});

test("a connection whose goodbye is held up by a side that does not read can still be reset", async (t) => {
  const { echo, proxy, caller } = await setUp(t);
  caller.say("hello");
  await hears(caller.ear, "hello");
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  const before = sockets();
  // More than the system keeps for a side that does not read.
  echo.heard[0].socket.pause();
  caller.say("x".repeat(32 << 20));
  await until("the server is full", () => echo.heard[0].socket.readableLength > 0);
  proxy.cut("end");
  proxy.cut("reset");
  await until("both of the proxy's sockets are gone", () => sockets() <= before - 2);
});
