// How the commands talk: one line for each thing that they do, one sentence when it cannot be done.
import { isStopping } from "./signals.mjs";

/** Something that the person at the keyboard can put right; the message says how. */
export class Failure extends Error {}

const color = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);

/** Says what is being done now. */
export const say = (text) => console.log(`${bold("▸")} ${text}`);

/** Says that something needed no work. */
export const already = (text) => console.log(`${green("✓")} ${dim(text)}`);

export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Runs a script's main function; a `Failure` ends it with its sentence, anything else with its stack. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (isStopping()) return;
    console.error(red(error instanceof Failure ? `✗ ${error.message}` : `✗ ${error.stack}`));
    process.exitCode = 1;
  }
}
