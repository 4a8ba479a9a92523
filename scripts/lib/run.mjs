// Runs commands, and sees to it that none of them outlives this process.
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { environment, executable, root } from "./paths.mjs";
import { onStop } from "./signals.mjs";
import { Failure } from "./step.mjs";

const windows = process.platform === "win32";
const children = new Set();
let ear;

/**
 * Runs a command to its end and shows what it prints.
 * With `onLine`, each line of its output is handed over too. Throws a `Failure` unless it exits with 0.
 */
export async function run(command, args, { onLine, failure, ...options } = {}) {
  const [out, err] = [onLine || ear, ear].map((isHeard) => (isHeard ? "pipe" : "inherit"));
  const child = start(command, args, { ...options, stdio: ["ignore", out, err] });
  const printed = (line) => {
    console.log(line);
    onLine?.(line);
    ear?.(line);
  };
  const complained = (line) => {
    console.error(line);
    ear?.(line);
  };
  const [lines, complaints] = [
    child.stdout && readLines(child.stdout, printed),
    child.stderr && readLines(child.stderr, complained),
  ];
  const code = await child.ended;
  await Promise.all([lines, complaints]);
  if (code !== 0) throw new Failure(failure ?? `\`${[command, ...args].join(" ")}\` failed (${code}); see above.`);
}

/** Has each line that any command of `run` prints handed over from now on, also of those on stderr. */
export function overhear(onLine) {
  ear = onLine;
}

/** What a command prints on both ways, and with what it exits. */
export async function capture(command, args = []) {
  const child = start(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  return { code: await child.ended, text };
}

/** What a command prints, or `undefined` if it cannot be run or fails. */
export async function output(command, args = [], options = {}) {
  try {
    const child = start(command, args, { ...options, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
    return (await child.ended) === 0 ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a command in a process group of its own, so that its whole family can be ended at once.
 * The child's `ended` resolves to its exit code or signal.
 */
export function start(command, args, { env, ...options } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...environment, ...env },
    detached: !windows,
    shell: windows && command === "npm",
    ...options,
  });
  children.add(child);
  child.ended = new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(error.code === "ENOENT" ? new Failure(`\`${command}\` is not installed, or not on the PATH.`) : error),
    );
    child.once("close", (code, signal) => resolve(code ?? signal));
  }).finally(() => children.delete(child));
  return child;
}

/** The full path of a program on the PATH, or `undefined`. */
export function which(name) {
  return environment.PATH.split(delimiter)
    .map((folder) => join(folder, executable(name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Calls `onLine` for each line until the stream ends. */
export async function readLines(stream, onLine) {
  for await (const line of createInterface({ input: stream })) onLine(line);
}

function signalAll(signal) {
  for (const { pid } of children) {
    try {
      process.kill(windows ? pid : -pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

onStop((signal) => {
  signalAll(signal);
  return Promise.allSettled([...children].map((child) => child.ended));
});
process.on("exit", () => signalAll("SIGKILL"));
