// The server's wall clock, made to jump: libfaketime shifts what the system tells it, and leaves the clock that only
// goes forward alone, as a jump of the system's clock does. The system's own clock is not touched.
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARIES = [
  process.env.ACKWIRE_FAKETIME,
  ...["x86_64", "aarch64"].map((cpu) => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`),
  "/usr/lib64/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1",
];

/** A clock for a server that is started with `env`; without the library there is none, and `why` says so. */
export function makeClock(scope) {
  const library = LIBRARIES.find((path) => path && existsSync(path));
  if (!library) return { env: {}, why: "libfaketime is not installed (Debian's package of that name has it)" };
  const folder = mkdtempSync(join(tmpdir(), "ackwire-clock-"));
  scope.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "clock");
  const shift = (ms) => {
    // In one go: the server may be reading it.
    writeFileSync(`${file}.new`, `${ms < 0 ? "-" : "+"}${Math.abs(ms) / 1000}\n`);
    renameSync(`${file}.new`, file);
  };
  shift(0);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    // How long it may go by what it read last, in seconds.
    FAKETIME_CACHE_DURATION: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  };
  return { env, clock: { shift } };
}
