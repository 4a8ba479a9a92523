// What a malicious page can do to a server that runs on its visitor's machine: nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, startSite, useChromium } from "./harness/index.mjs";

// Every name under `.example` is this machine, as the attacker's DNS would say. The browser's own protection of local
// addresses is off: what is tested is the server's.
const newPage = useChromium({
  args: ["--host-resolver-rules=MAP *.example 127.0.0.1", "--disable-features=LocalNetworkAccessChecks"],
});

const portOf = (url) => new URL(url).port;

/** Everything that a page may try without the consent of a preflight, and with. Says what came of each. */
const attack = (page, server) =>
  page.evaluate(async (server) => {
    const outcome = async (act) => {
      try {
        return await act();
      } catch (error) {
        return `${error.name}`;
      }
    };
    const socket = (url, protocol = "ackwire.v1") =>
      new Promise((resolve) => {
        const opened = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, protocol);
        opened.onopen = () => resolve("opened");
        opened.onerror = () => resolve("refused");
      });
    const loaded = (name, attributes) =>
      new Promise((resolve) => {
        const element = Object.assign(document.createElement(name), attributes);
        element.onload = () => resolve("loaded");
        element.onerror = () => resolve("refused");
        document.body.append(element);
      });
    const events = `${server}/v1/streams/run:1/events`;
    const event = JSON.stringify({ id: "evil", type: "evil", data: null });
    return {
      socket: await socket(server),
      "fetch without CORS": await outcome(() =>
        fetch(events, { method: "POST", mode: "no-cors", body: event }).then((answer) => answer.type),
      ),
      "fetch with CORS": await outcome(() =>
        fetch(events, { method: "POST", headers: { "content-type": "application/json" }, body: event }).then(
          (answer) => answer.status,
        ),
      ),
      reading: await outcome(() => fetch(`${server}/v1/streams`).then((answer) => answer.text())),
      "a beacon": await outcome(() => navigator.sendBeacon(events, event)),
      "a script": await loaded("script", { src: `${server}/v1/streams` }),
      "an image": await loaded("img", { src: `${server}/operator/icon.svg` }),
      "a form": await new Promise((resolve) => {
        const sink = `sink-${document.forms.length}`;
        const frame = Object.assign(document.createElement("iframe"), { name: sink });
        const form = Object.assign(document.createElement("form"), { action: events, method: "post", target: sink });
        form.enctype = "text/plain";
        form.append(Object.assign(document.createElement("input"), { name: event.slice(0, -1), value: "}" }));
        document.body.append(frame, form);
        frame.onload = () => resolve("answered");
        form.submit();
      }),
    };
  }, server);

test("a foreign page neither connects, nor writes, nor reads, nor frames [cross-site, DNS rebinding]", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t, { answers: { "/evil": () => "a page" } })];
  const page = await newPage(t);
  await page.goto(`http://evil.example:${portOf(site)}/evil`);
  const direct = await attack(page, server.url);
  const refused = {
    socket: "refused",
    "fetch without CORS": "TypeError",
    "fetch with CORS": "TypeError",
    reading: "TypeError",
    "a beacon": true,
    "a script": "refused",
    "an image": "refused",
    "a form": "answered",
  };
  assert.deepEqual(direct, refused);
  // Under a name of the attacker's own, from the attacker's page.
  const rebound = `http://rebound.example:${server.port}`;
  assert.deepEqual(await attack(page, rebound), refused);

  // The same origin as the server, once the name of the page that the attacker served points here.
  await page.route("**/evil", (route) => route.fulfill({ contentType: "text/html", body: "a page" }));
  await page.goto(`${rebound}/evil`);
  const same = await attack(page, rebound);
  assert.equal(same.socket, "refused");
  assert.equal(same["fetch with CORS"], 403);
  assert.match(same.reading, /loopback/);

  // Framed, a click could be stolen.
  await page.goto(`http://evil.example:${portOf(site)}/evil`);
  await page.evaluate((url) => {
    document.body.append(Object.assign(document.createElement("iframe"), { src: `${url}/operator` }));
  }, server.url);
  await page.waitForFunction(() => document.querySelector("iframe").contentDocument === null);
  const [, frame] = page.frames();
  assert.equal(await frame.locator("#streams").count(), 0, "nothing of the page is in the frame");

  assert.deepEqual((await server.get("/v1/streams")).streams, [], "nothing has happened");
});

test("the same attempts from a page of this machine succeed where they should", async (t) => {
  const [server, site] = [await startServer(t), await startSite(t, { answers: { "/evil": () => "a page" } })];
  const page = await newPage(t);
  await page.goto(`${site}/evil`);
  const outcomes = await attack(page, server.url);
  assert.equal(outcomes.socket, "opened", "the test would see it");
  assert.equal(outcomes.reading, "TypeError", "there is no CORS, for nobody");
  assert.deepEqual((await server.get("/v1/streams")).streams, [], "without JSON's type nothing is appended");
});
