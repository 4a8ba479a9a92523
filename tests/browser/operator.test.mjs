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
    return cells.length === 4 && cells[0].startsWith("10") && cells[1] === "10" && cells[2] === "0";
  });
  await until("the retry is counted", async () =>
    (await page.locator("#figures").innerText()).includes("1, 1 succeeded"),
  );

  await server.post("run:1", { type: "agent_completed", meta: { run_id: id } });
  await page.getByText(`run ${id}`).waitFor();
  assert.equal(await page.locator("main img").count(), 0, "what events say is text");
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
