// Where and with what it was measured.
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem, type } from "node:os";
import { output } from "../../../scripts/lib/run.mjs";
import { findChromium } from "../../../scripts/setup/chromium.mjs";

/** The machine and the versions of everything that takes part. */
export async function describeMachine() {
  const [{ model }] = cpus();
  const line = async (...command) => (await output(command[0], command.slice(1)))?.trim();
  const { dependencies } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  return {
    date: new Date().toISOString().slice(0, 10),
    system: `${type()} ${release()}`,
    processors: `${cpus().length} × ${model.trim()}`,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    browser: (await line(findChromium(), "--version"))?.replace(/ built on.*/, ""),
    node: process.version,
    rust: await line("rustc", "--version"),
    commit: await line("git", "rev-parse", "--short", "HEAD"),
    nats: await line("nats-server", "--version"),
    peers: dependencies,
  };
}
