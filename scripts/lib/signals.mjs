// Ctrl-C and its relatives: what was started is ended before this process is.

/** A terminal and npm both pass a Ctrl-C on, so that one key press arrives twice; a later one is impatience. */
const ECHO_MS = 500;
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const ends = [];
let since;

/** Whether everything is being stopped; what fails from then on is no failure. */
export const isStopping = () => since !== undefined;

/** Has `end(signal)` called when this process shall stop; it exits when the promise of that has settled. */
export function onStop(end) {
  if (ends.push(end) > 1) return;
  const endAll = (signal) => Promise.allSettled(ends.map((end) => end(signal)));
  for (const [signal, code] of Object.entries(CODES)) {
    process.on(signal, async () => {
      const isFirst = since === undefined;
      since ??= performance.now();
      if (!isFirst && performance.now() - since > ECHO_MS) await endAll("SIGKILL");
      else if (isFirst) await endAll(signal === "SIGHUP" ? "SIGTERM" : signal);
      else return;
      process.exit(code);
    });
  }
}
