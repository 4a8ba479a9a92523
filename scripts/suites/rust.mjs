// The core and the server: unit tests, both ends on virtual time, the server against real sockets.
import { run } from "../lib/run.mjs";
import { ensureNginx } from "../setup/nginx.mjs";
import { ensureRedis } from "../setup/redis.mjs";
import { ensureRust } from "../setup/rust.mjs";
import { ensureStrace } from "../setup/strace.mjs";
import { countCargo } from "./count.mjs";

export async function rust(result) {
  await ensureRust();
  await ensureStrace();
  await ensureRedis();
  await ensureNginx();
  await run("cargo", ["test", "--workspace", "--no-fail-fast"], { onLine: countCargo(result) });
}
