// The pages that are measured: one bundle for each contestant, as an application would ship it.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Starts a web server for them; it ends with the scope. */
export async function startSite(scope) {
  const bundles = new Map();
  const bundle = (folder) => {
    if (!bundles.has(folder)) bundles.set(folder, bundlePage(folder));
    return bundles.get(folder);
  };
  const listener = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    const [, folder, file] = pathname.split("/");
    // Isolated pages have clocks of 5 µs instead of 100.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    try {
      if (folder === "pkg") {
        response.setHeader("content-type", file.endsWith(".wasm") ? "application/wasm" : "text/javascript");
        response.end(await readFile(join(here("../../../dist"), file)));
      } else if (file === "page.js") {
        response.setHeader("content-type", "text/javascript");
        response.end(await bundle(folder));
      } else {
        response.setHeader("content-type", "text/html");
        response.end(
          '<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="page.js"></script>',
        );
      }
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  scope.after(() => {
    listener.close();
    listener.closeAllConnections();
  });
  const url = `http://127.0.0.1:${listener.address().port}`;
  return { page: (folder) => `${url}/${folder}/` };
}

async function bundlePage(folder) {
  const { outputFiles } = await build({
    entryPoints: [here("../page/main.mjs")],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "error",
    // The package as users get it, with its WebAssembly beside it.
    external: ["/pkg/*"],
    alias: { contestant: here(`../contestants/${folder}/page.mjs`) },
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
    mainFields: ["browser", "module", "main"],
    conditions: ["browser"],
  });
  return outputFiles[0].text;
}
