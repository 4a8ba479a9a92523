// How much memory there is in use.
import { execFileSync } from "node:child_process";

/** What a process has in memory, in bytes; nothing if it has ended. */
export function residentBytes(pid) {
  try {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;
  } catch {
    return undefined;
  }
}

/** What server and pages take now, the pages' summed up. */
export async function measure(servers, tabs) {
  const pages = await Promise.all(tabs.map((tab) => tab.memory()));
  const sum = (key) => pages.reduce((total, page) => total + page[key], 0);
  return { server: servers.look(), heap: sum("heap"), wasm: sum("wasm") };
}
