// Tokens: they run out during a run, are refused, allow too little.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newSecret, produce, sign, startServer, startSite, until, useBrowser, verdict } from "./harness/index.mjs";

const open = useBrowser();

/** A server that wants tokens, and a site whose /token signs what `issue` says. */
async function setUp(t, issue) {
  const secret = newSecret();
  const issued = [];
  const answer = () => {
    const token = sign(secret, issue(issued.length));
    issued.push(token);
    return { token };
  };
  const site = await startSite(t, { answers: { "/token": answer } });
  const args = ["--allow-origin", site, "--jwt-leeway", "0s"];
  const server = await startServer(t, { args, env: { ACKWIRE_JWT_SECRET: secret } });
  server.authorize(sign(secret, { subject: "producer" }));
  return { server, site, issued };
}

test("tokens that last two seconds are replaced during a run, without a break [AW-AUTH-2]", async (t) => {
  const { server, site, issued } = await setUp(t, () => ({ seconds: 2 }));
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", tokens: true });
  await page.untilConnected();

  let sent = 0;
  while (issued.length < 5) {
    await produce(server, "run:1", { from: sent + 1, upto: sent + 10 });
    sent += 10;
    await page.untilApplied(sent);
  }
  await verdict(server, "run:1", page);
  assert.equal(await page.run(() => fixture.client.stats().connections), 1, "one connection saw it all");
  for (const token of issued) assert.ok(!server.said.includes(token), "no token in the server's log [AW-CONN-3]");
});

test("a token that runs out and is not replaced in time: closed with 4401, and resumed with a new one [AW-AUTH-1]", async (t) => {
  // From its second call the page's token endpoint is broken until the first token has run out.
  let broken = false;
  const { server, site } = await setUp(t, () => {
    if (broken) throw new Error("the token endpoint is down");
    return { seconds: 2 };
  });
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", tokens: true });
  await page.untilConnected();
  broken = true;
  await produce(server, "run:1", { from: 1, upto: 200 });
  await page.until("the server closed with 4401", () => fixture.seen("state").some(({ code }) => code === 4401));
  await produce(server, "run:1", { from: 201, upto: 400 });
  broken = false;
  await verdict(server, "run:1", page);
});

test("three refusals in a row are final [AW-AUTH-1]", async (t) => {
  const { server, site, issued } = await setUp(t, () => ({ seconds: -60 }));
  const page = await open(t, site, {
    socket: server.socketUrl,
    stream: "run:1",
    tokens: true,
    client: { backoff: { maxMs: 500 } },
  });
  await page.until("the client has given up", () => fixture.client.state === "failed");
  assert.equal(issued.length, 3);
  const [gaveUp] = await page.until("connect() has said why", () => fixture.seen("gave up"));
  assert.equal(gaveUp.code, "token_refused");
});

test("a token that does not allow the stream: an error for the subscription, nothing is shown", async (t) => {
  const { server, site } = await setUp(t, () => ({ patterns: ["user:*"] }));
  await produce(server, "run:1", { from: 1, upto: 5 });
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1", tokens: true });
  const [error] = await page.until("the page was told", () => fixture.seen("error").length && fixture.seen("error"));
  assert.equal(error.code, "forbidden");
  assert.deepEqual(await page.applied(), []);
  const told = await until("the log is untouched", () => server.log("run:1"));
  assert.equal(told.length, 5);
});
