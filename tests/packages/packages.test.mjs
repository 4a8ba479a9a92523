// The package as users get it: packed by npm, installed into other projects, run in the browser against the server.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { produce, startServer, startSite, useBrowser, verdict } from "../browser/harness/index.mjs";

const open = useBrowser();
const root = fileURLToPath(new URL("../../", import.meta.url));
let folder;
let packed;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ackwire-packages-"));
  [packed] = JSON.parse(await command(root, "npm", "pack", "--json", "--pack-destination", folder));
});
after(() => rm(folder, { recursive: true, force: true }));

test("it ships the built package and its papers, nothing else", () => {
  const files = packed.files.map(({ path }) => path);
  const strangers = files.filter((path) => !/^(dist\/|package\.json$|README\.md$|PROTOCOL\.md$|LICENSE)/.test(path));
  assert.deepEqual(strangers, []);
  for (const needed of ["dist/index.js", "dist/index.d.ts", "package.json"]) assert.ok(files.includes(needed), needed);
  assert.ok(
    files.some((path) => path.endsWith(".wasm")),
    "the WebAssembly",
  );
});

test("a plain HTML page", async (t) => {
  const project = await install("plain");
  const site = await startSite(t, { folders: { "/": pathToFileURL(`${project}/`) } });
  await runAgainstServer(t, site);
});

test("a Vite application: types, development server, build and preview", async (t) => {
  const project = await install("vite");
  await t.test("its types are right, and wrong use is refused", () => command(project, "npx", "tsc"));
  await t.test("in the development server", async (t) => runAgainstServer(t, await vite(t, project, "dev")));
  await t.test("built and previewed", async (t) => {
    await command(project, "npx", "vite", "build");
    await runAgainstServer(t, await vite(t, project, "preview"));
  });
});

/** The page at `site` applies a run that began before it came. */
async function runAgainstServer(t, site) {
  const server = await startServer(t);
  await produce(server, "run:1", { from: 1, upto: 100 });
  const page = await open(t, site, { socket: server.socketUrl, stream: "run:1" });
  await produce(server, "run:1", { from: 101, upto: 200 });
  await verdict(server, "run:1", page);
}

/** Copies a project out of the repository and installs the package into it, as its user would. */
async function install(name) {
  const project = join(folder, name);
  await cp(new URL(`${name}/`, import.meta.url), project, { recursive: true });
  await command(project, "npm", "install", "--no-audit", "--no-fund", join(folder, packed.filename));
  return project;
}

/** Starts one of Vite's servers; returns its address. */
async function vite(t, project, mode) {
  const args = [join(project, "node_modules", "vite", "bin", "vite.js"), mode, "--host", "127.0.0.1", "--port", "0"];
  const child = spawn(process.execPath, args, { cwd: project, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill());
  for await (const line of createInterface({ input: child.stdout })) {
    const address = stripVTControlCharacters(line).match(/http:\/\/127\.0\.0\.1:\d+/)?.[0];
    if (address) return address;
  }
  throw new Error(`vite ${mode} ended without an address`);
}

/** Runs a command to its end; returns what it printed, or throws with it. */
async function command(cwd, program, ...args) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, shell: process.platform === "win32" });
    return stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")} failed:\n${error.stdout}\n${error.stderr}`);
  }
}
