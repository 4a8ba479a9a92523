// A web server for the fixture page and the built package, as an application's own would be.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDERS = { "/pkg/": new URL("../../../dist/", import.meta.url), "/": new URL("../site/", import.meta.url) };
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** Starts it; it ends with the test. `answers` maps paths to functions that return JSON, such as a token endpoint. */
export async function startSite(t, { folders = FOLDERS, answers = {} } = {}) {
  const listener = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    response.setHeader("cache-control", "no-store");
    try {
      if (answers[pathname]) return response.end(JSON.stringify(await answers[pathname](request)));
      const prefix = Object.keys(folders).find((prefix) => pathname.startsWith(prefix));
      const file = join(fileURLToPath(folders[prefix]), pathname.slice(prefix.length) || "index.html");
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      response.end(await readFile(file));
    } catch (error) {
      response.writeHead(error.code === "ENOENT" ? 404 : 500).end(String(error));
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.close();
    listener.closeAllConnections();
  });
  return `http://127.0.0.1:${listener.address().port}`;
}
