// The operator's page against the real server: what it shows, to whom, and what it does with hostile texts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newSecret, sign, startServer, startSite, until, useBrowser, useChromium } from "./harness/index.mjs";

const open = useBrowser();
const newPage = useChromium();

/** The operator's page in a profile of its own, and what went wrong in it. */
async function openOperator(t, server) {
  const page = await newPage(t);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(`${server.url}/operator`);
  return { page, complaints };
}

test("the operator's page shows a consumer catch up, and its troubled event as text", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const { page, complaints } = await openOperator(t, server);
  await page.getByText("There are none yet.").waitFor();

  const id = "<img src=x onerror=alert(1)>";
  const events = Array.from({ length: 9 }, (_, index) => ({ id: `e-${index}`, type: "note", data: { number: 1 } }));
  await server.post("run:1", [...events, { id, type: "note", priority: "critical", data: { number: 10 } }]);
  await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    handler: "throws-once",
    client: { consumer: "wall" },
  });

  // The handler throws at the tenth; it comes again, and is confirmed.
  const row = page.getByRole("row", { name: /^wall/ });
  await until("everything is settled on the page", async () => {
    const cells = await row.getByRole("cell").allInnerTexts();
    return cells.length === 6 && cells.slice(0, 5).join() === "10,10,10,10,0";
  });
  await until("the retry is counted", async () =>
    (await page.locator("#figures").innerText()).includes("1, 1 succeeded"),
  );

  await server.post("run:1", { type: "agent_completed", meta: { run_id: id } });
  await page.getByText(`run ${id}`).waitFor();
  assert.equal(await page.locator("main img").count(), 0, "what events say is text");
  assert.deepEqual(complaints, []);
});

test("the operator's page tells what a consumer received, was handed, and confirmed, and what of it was last known", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t)];
  const { page, complaints } = await openOperator(t, server);
  await server.post(
    "run:1",
    Array.from({ length: 3 }, (_, index) => ({ id: `e-${index}`, type: "note" })),
  );
  const tab = await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    handler: "hangs",
    client: { consumer: "wall" },
  });

  // No handler returns: nothing is acked, and still it shows that all of it has arrived.
  const row = page.getByRole("row", { name: /^wall/ });
  const shows = async (about, expected, name) => {
    // The page asks once a second: what it shows first is a stream without consumers.
    await row.waitFor();
    const heads = await page.getByRole("columnheader").allInnerTexts();
    assert.deepEqual(heads.slice(1), ["Sent", "Received", "Delivered", "Confirmed", "Unsettled", "Troubled"]);
    await until(about, async () => {
      const cells = await row.getByRole("cell").allInnerTexts();
      const title = await row.getByRole("rowheader").innerText();
      return cells.join() === expected && title.includes(name);
    });
  };
  await shows("everything is delivered, nothing confirmed", "3,3,3,0 (3 behind),3,0", "connected");

  await tab.leave();
  await shows("the consumer is away", "3,3,3,0 (3 behind),3,0", "away, as last known");
  const { consumers } = await (await fetch(`${server.url}/v1/streams/run:1/consumers`)).json();
  const { connected, sent, received, delivered, confirmed, unsettled } = consumers[0];
  assert.deepEqual([connected, sent, received, delivered, confirmed, unsettled], [false, 3, 3, 3, 0, 3]);
  assert.deepEqual(complaints, []);
});

test("with tokens the operator's page asks for one, and shows nothing to others than operators", async (t) => {
  const secret = newSecret();
  const server = await startServer(t, { args: [], env: { ACKWIRE_JWT_SECRET: secret } });
  server.authorize(sign(secret));
  await server.post("run:1", { type: "note" });
  const { page, complaints } = await openOperator(t, server);

  const field = page.getByLabel("A token with ackwire.operate");
  await field.fill(sign(secret));
  await field.press("Enter");
  await page.getByRole("alert").filter({ hasText: "operators" }).waitFor();
  assert.equal(await page.locator("#content").isVisible(), false);

  await field.fill(sign(secret, { operate: true }));
  await field.press("Enter");
  await page.getByRole("heading", { name: "run:1" }).waitFor();
  assert.equal(
    await page.evaluate(() => localStorage.length + sessionStorage.length),
    0,
    "the token is in memory only",
  );
  assert.deepEqual(complaints, []);
});
