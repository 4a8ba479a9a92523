// The demo page against the real server: its runs, its switches, its verdict.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useConsole } from "./harness/console.mjs";
import { until } from "./harness/index.mjs";

const open = useConsole();
const AGREED = /^Log and page agree: [\d,]+ events, every one here once, in order, confirmed\.$/;

test("a run is told from its start to its end, and the verdict agrees", async (t) => {
  const console = await open(t);
  const stream = await console.start({ term: "confirm" });
  await console.page.getByRole("heading", { name: "Done" }).waitFor();
  await console.untilVerdict(AGREED);

  const log = await console.server.log(stream);
  const thoughts = log.filter(({ type }) => type === "agent_thinking").map(({ data }) => data.text);
  const shown = await console.page.locator(".thinking").allTextContents();
  assert.equal(shown.join(""), thoughts.join(""), "the prose is the log's");
  const cards = await console.page.locator(".tool[data-state=done]").count();
  assert.equal(cards, log.filter(({ type }) => type === "tool_completed").length);
  await until("a measured latency", async () =>
    (await console.page.locator("#latency-text").innerText()).startsWith("Median"),
  );
  assert.deepEqual(console.complaints, []);
});

test("with every switch on, a long run still ends in agreement", async (t) => {
  const console = await open(t);
  for (const label of [
    "Drop one frame in five",
    "Send one frame in five twice",
    "Let one frame in five be overtaken",
  ]) {
    await console.flip(label);
  }
  await console.page.getByLabel("Cut the connection every second").check();
  await console.start({ pace: "as fast as it goes", length: "2,000 events" });
  await console.page.getByRole("heading", { name: "Done" }).waitFor({ timeout: 120_000 });
  await console.untilVerdict(AGREED, 60_000);

  const repairs = {};
  for (const name of ["Suppressed", "Gaps found", "Reconnections"]) repairs[name] = await console.counter(name);
  t.diagnostic(JSON.stringify(repairs));
  assert.ok(repairs["Gaps found"] > 0 && repairs.Reconnections > 0, JSON.stringify(repairs));
});

test("a reload in the middle of a run shows the whole run again, and goes on", async (t) => {
  const console = await open(t);
  const stream = await console.start({ pace: "brisk" });
  await console.page.locator(".tool").nth(1).waitFor();
  await console.page.getByRole("button", { name: "Reload the page" }).click();
  await console.page.getByRole("heading", { name: "Done" }).waitFor();
  await console.untilVerdict(AGREED);

  const consumers = await console.server.consumers(stream);
  assert.equal(consumers.length, 1, "the reloaded tab is the same consumer");
  assert.ok((await console.page.locator(".timeline .seam[data-kind=reload]").count()) > 0, "the seam shows");
});

test("events of a user's own appear as they are, and markup in them stays text", async (t) => {
  const console = await open(t);
  await console.page.getByText("Post an event of your own").click();
  await console.page.getByRole("button", { name: "Open an empty stream" }).click();
  const command = await until("the command", () => console.page.locator("#curl").innerText());
  const path = new URL(command.match(/http\S+/)[0]).pathname;
  const stream = decodeURIComponent(path.split("/")[3]);

  const hostile = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`;
  await console.server.post(stream, [
    { type: "note", data: { text: hostile, rows: [{ cell: hostile }] } },
    { type: "agent_started", data: { task: hostile, folder: hostile } },
    { type: "agent_thinking", data: { step: 1, text: hostile } },
    { type: "tool_executing", data: { call: hostile, tool: hostile, arguments: { [hostile]: hostile } } },
    {
      type: "tool_completed",
      data: { call: hostile, success: true, summary: hostile, result: { [hostile]: hostile } },
    },
    { type: "agent_completed", data: null },
    { type: "agent_error", data: { message: hostile } },
    { type: "agent_death", data: { reason: hostile } },
    { type: "progress_update", data: { message: hostile, done: hostile, total: hostile } },
  ]);
  await console.untilVerdict(/^Log and page agree so far: 9 events/);
  assert.equal(await console.page.locator("#timeline img, #timeline script").count(), 0);
  assert.equal(await console.page.title(), "Ackwire console");
  assert.ok((await console.page.locator("#timeline").innerText()).includes(hostile));
  assert.deepEqual(console.complaints, []);
});

test("a keyboard alone starts a run and reaches it", async (t) => {
  const console = await open(t);
  const { page } = console;
  await page.getByLabel("Length").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Get to know this folder" }).waitFor();
  const before = page.url();
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "timeline-title");
  assert.equal(page.url(), before, "the run is still the one that is watched");
});

test("a hash that names no stream is refused in words", async (t) => {
  const console = await open(t);
  await console.page.goto(`${console.server.url}/#not%20a%20stream`);
  await console.page.getByRole("alert").filter({ hasText: "stream" }).waitFor();
  await console.page.goto(`${console.server.url}/#%E0%A4%A`);
  await console.page.getByRole("alert").filter({ hasText: "stream" }).waitFor();
});

test("the verdict names an event that the page did not apply", async (t) => {
  const console = await open(t);
  const { stream } = (await console.server.request("POST", "/v1/dev/runs", { body: `{"pace_ms":0}` })).body;
  await until("the run's end", async () => (await console.server.log(stream)).at(-1)?.type === "agent_completed");
  // The page sees another log than it was sent: one event of the answer has another id.
  await console.page.route("**/events?after=*", async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    body.events[3].id = "another";
    await route.fulfill({ response: answer, json: body });
  });
  await console.goto(stream);
  await console.untilVerdict(/^Log and page differ: event 4 is missing; event 4 has other content/);
});
