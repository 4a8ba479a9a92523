// `npm run autobahn`: the Autobahn test suite's cases for servers, in about a minute, against an echo on the server's own
// WebSockets (server/examples/echo.rs) and against the server's endpoint. Fails if a case does.
//
// The endpoint does not echo: a case in which the echo sent something back says nothing about it, and is not counted.
// Compression (12, 13) is left out: the server does not offer it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildServer } from "./build.mjs";
import { executable, target } from "./lib/paths.mjs";
import { readLines, run, start } from "./lib/run.mjs";
import { Failure, main, say } from "./lib/step.mjs";
import { ensureRust } from "./setup/rust.mjs";
import { ensureWstest } from "./setup/wstest.mjs";

const REPORT = join(target, "autobahn", "report");
const PROGRESS_EVERY = 50;

await main(async () => {
  await ensureRust();
  const wstest = await ensureWstest();
  const server = await buildServer({ release: false });
  await run("cargo", ["build", "--package", "ackwire-server", "--example", "echo"]);
  const data = mkdtempSync(join(tmpdir(), "ackwire-autobahn-"));
  try {
    const folders = ["--data", data, "--www", data, "--pkg", data];
    const echo = await listen(join(target, "debug", "examples", executable("echo")), []);
    const endpoint = await listen(server, ["--dev", "--port", "0", "--log", "memory", ...folders]);
    await runCases(wstest, echo.url, `${endpoint.url.replace("http", "ws")}/v1/socket`);
    for (const child of [echo, endpoint]) child.kill();
    await Promise.all([echo.ended, endpoint.ended]);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
  report();
});

/** Starts a program that says where it listens. */
async function listen(program, args) {
  const child = start(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  const url = new Promise((resolve) =>
    readLines(child.stdout, (line) => resolve(line.match(/^listening on (.+)/)?.[1])),
  );
  child.url = await Promise.race([url, child.ended]);
  if (typeof child.url !== "string") throw new Failure(`${program} did not listen (${child.url}).`);
  return child;
}

async function runCases(wstest, echo, endpoint) {
  rmSync(REPORT, { recursive: true, force: true });
  mkdirSync(REPORT, { recursive: true });
  const spec = join(REPORT, "spec.json");
  const servers = [
    { agent: "echo", url: echo },
    { agent: "endpoint", url: endpoint, protocols: ["ackwire.v1"] },
  ];
  const cases = { cases: ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {} };
  writeFileSync(spec, JSON.stringify({ outdir: REPORT, servers, ...cases }));
  say("Running the Autobahn test suite");
  const child = start(wstest, ["--mode", "fuzzingclient", "--spec", spec], { stdio: ["ignore", "pipe", "pipe"] });
  const said = [];
  let begun = 0;
  const hear = (line) => {
    said.push(line);
    if (line.startsWith("Running test case") && ++begun % PROGRESS_EVERY === 0) console.log(`  ${begun} cases begun`);
  };
  await Promise.all([readLines(child.stdout, hear), readLines(child.stderr, hear)]);
  const code = await child.ended;
  if (code !== 0) throw new Failure(`wstest failed (${code}): ${said.slice(-5).join("\n")}`);
  // A server that is gone ends the run early, and wstest is content.
  const all = Number(said.join("\n").match(/will run (\d+) test cases/)?.[1]) * servers.length;
  if (begun !== all) throw new Failure(`wstest ran ${begun} of ${all} cases: ${said.slice(-5).join("\n")}`);
}

/** Prints the verdicts; a case's own report is in `target/autobahn/report/index.html`. */
function report() {
  const { echo, endpoint } = JSON.parse(readFileSync(join(REPORT, "index.json"), "utf8"));
  const details = (agent, id) =>
    JSON.parse(readFileSync(join(REPORT, `${agent}_case_${id.replaceAll(".", "_")}.json`), "utf8"));
  const isEchoed = (id) => ["1", "2"].some((opcode) => details("echo", id).rxFrameStats?.[opcode]);
  const asked = Object.entries(endpoint).filter(([id]) => !isEchoed(id));
  const unasked = Object.keys(endpoint).length - asked.length;
  const failed = [
    ...judge("an echo on the server's WebSockets", Object.entries(echo)),
    ...judge(`the server's endpoint (${unasked} further cases want an echo, which it does not give)`, asked),
  ];
  console.log(`Each case: ${join(REPORT, "index.html")}`);
  if (failed.length > 0) throw new Failure(`${failed.length} of the Autobahn test suite's cases failed: see above.`);
}

/** Prints the counts, and every case that is not OK; returns those that failed. */
function judge(whom, cases) {
  const verdicts = cases.map(([id, { behavior, behaviorClose, remoteCloseCode }]) => {
    const isBad = [behavior, behaviorClose].some((verdict) => !/^(OK|NON-STRICT|INFORMATIONAL)$/.test(verdict));
    return {
      id,
      verdict: isBad ? "FAILED" : behavior,
      says: `${behavior}, close ${behaviorClose} (${remoteCloseCode})`,
    };
  });
  const counts = new Map();
  for (const { verdict } of verdicts) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  console.log(`${whom}: ${cases.length} cases, ${[...counts].map(([name, count]) => `${count} ${name}`).join(", ")}`);
  for (const { id, says } of verdicts.filter(({ says }) => !says.startsWith("OK, close OK")))
    console.log(`  ${id}: ${says}`);
  return verdicts.filter(({ verdict }) => verdict === "FAILED");
}
