// HTML in events, on the pages that show them: texts stay texts, and a policy stands behind that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useConsole } from "./harness/console.mjs";
import { damage, MARKUP, provoke, UNHARMED, watchPage } from "./harness/hostile.mjs";
import { newSecret, sign, startServer, startSite, until, useChromium } from "./harness/index.mjs";

const openConsole = useConsole();
const newPage = useChromium();

/** Hostile in every field that takes any text, and named after what objects have by birth. */
function hostileEvents() {
  const nested = { [MARKUP]: MARKUP, list: [MARKUP, { [MARKUP]: MARKUP }], toString: MARKUP, valueOf: 1 };
  const meta = { run_id: MARKUP, thread_id: MARKUP, [MARKUP]: MARKUP };
  const types = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"];
  const others = ["agent_error", "agent_death", "progress_update", "note", "constructor", "__proto__", "toString"];
  const fields = ["task", "folder", "text", "call", "tool", "arguments", "summary", "result", "message", "reason"];
  const more = ["done", "total", "step", "success", "duration_ms", "tool_calls", "tool_name", "run_id"];
  const all = (value) => Object.fromEntries([...fields, ...more].map((field) => [field, value]));
  return [...types, ...others].flatMap((type) =>
    [all(MARKUP), all(nested), all({ toString: 1, valueOf: 1 }), MARKUP, [nested], null].map((data, index) => ({
      id: `${type} ${index} <img src=x onerror=hostile=1>`,
      type,
      data,
      meta,
      priority: "critical",
    })),
  );
}

test("the demo page shows hostile events as text, applies every one, and its policy stops the rest", async (t) => {
  const console = await openConsole(t, { watch: watchPage });
  const { page, server } = console;
  const events = hostileEvents();
  await server.post("run:hostile", events);
  await console.goto("run:hostile");
  await console.untilVerdict(new RegExp(`^Log and page agree so far: ${events.length} events`));
  assert.ok((await page.locator("#timeline").innerText()).includes(MARKUP));
  assert.equal(await page.title(), "Ackwire console");
  assert.deepEqual(await damage(page), UNHARMED);
  assert.deepEqual(console.complaints, []);

  assert.deepEqual(await provoke(page), ["innerHTML: TypeError", "inline script: TypeError", "handler: TypeError"]);
  await until("the violations are seen", async () => (await damage(page)).violations.length === 3);
  assert.equal((await damage(page)).ran, null);
});

test("the operator's page shows hostile names, subjects, errors and alerts as text", async (t) => {
  const secret = newSecret();
  const site = await startSite(t, { answers: { "/elsewhere": () => "a page" } });
  const server = await startServer(t, { args: ["--allow-origin", site], env: { ACKWIRE_JWT_SECRET: secret } });
  // Whoever signs tokens decides what a subject is called.
  const token = sign(secret, { subject: MARKUP.slice(0, 250) });
  server.authorize(token);
  await server.post("run:hostile", hostileEvents());
  await failEverything(t, server, site, token);
  // Runs with names longer than this raise no alerts.
  const run = `unstarted ${MARKUP}`.slice(0, 200);
  await server.post("run:hostile", { type: "agent_completed", meta: { run_id: run } });

  const page = await newPage(t);
  const complaints = await watchPage(page);
  await page.goto(`${server.url}/operator`);
  const field = page.getByLabel("A token with ackwire.operate");
  await field.fill(MARKUP);
  await field.press("Enter");
  await page.getByRole("alert").filter({ hasText: "refused" }).waitFor();
  await field.fill(sign(secret, { operate: true }));
  await field.press("Enter");
  await page.getByRole("heading", { name: "run:hostile" }).waitFor();
  await until("subject, error and alert are shown", async () => {
    const text = await page.locator("#content").innerText();
    return text.includes(`of ${MARKUP.slice(0, 250)}`) && text.includes("failed: ") && text.includes(`run ${run}`);
  });
  assert.deepEqual(await damage(page), UNHARMED);
  assert.deepEqual(complaints, []);

  assert.deepEqual(await provoke(page), ["innerHTML: TypeError", "inline script: TypeError", "handler: TypeError"]);
  await until("the violations are seen", async () => (await damage(page)).violations.length === 3);
  assert.equal((await damage(page)).ran, null);
});

/** A consumer, in a page elsewhere, that fails every event for good, with an error that is markup. */
async function failEverything(t, server, site, token) {
  const page = await newPage(t);
  await page.goto(`${site}/elsewhere`);
  const hello = {
    type: "hello",
    consumer: "wall",
    agent: MARKUP.slice(0, 100),
    token,
    subscriptions: [{ stream: "run:hostile", from: "start", window: { events: 1000, bytes: 4 << 20 } }],
  };
  await page.evaluate(
    ({ url, hello, error }) => {
      const socket = new WebSocket(url, "ackwire.v1");
      const send = (frame) => socket.send(JSON.stringify(frame));
      let epoch;
      socket.onopen = () => send(hello);
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.type === "subscribed") epoch = frame.epoch;
        for (const { seq } of frame.events ?? []) {
          send({ type: "nack", stream: "run:hostile", epoch, seq, attempt: 1, error, retry: false });
        }
      };
    },
    { url: server.socketUrl, hello, error: `failed: ${MARKUP}` },
  );
  await until("every event has failed", async () => {
    const { body } = await server.request("GET", "/v1/streams/run%3Ahostile/dead-letters?limit=1000");
    return body.events.length === hostileEvents().length;
  });
}
