// A Chromium or Chrome for the tests, and how to start it.
import { existsSync } from "node:fs";
import { which } from "../lib/run.mjs";
import { already, Failure } from "../lib/step.mjs";
import { installWithApt } from "./apt.mjs";

/** Headless, silent towards the outside, and working as root and in containers. */
export const chromiumArgs = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  "--no-default-browser-check",
];

const commands = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const places = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The browser's path, after installing Debian's packages if there is none and that is possible. */
export async function ensureChromium() {
  if (process.env.CHROME_PATH && !existsSync(process.env.CHROME_PATH)) {
    throw new Failure(`CHROME_PATH names ${process.env.CHROME_PATH}, which does not exist: correct it or unset it.`);
  }
  if (!findChromium() || !findChromedriver()) await installWithApt("chromium", "chromium-driver");
  const browser = findChromium();
  if (!browser) throw new Failure("No Chrome or Chromium was found: install one, or name it in CHROME_PATH.");
  already(`Browser ${browser}`);
  return browser;
}

export const findChromium = () =>
  process.env.CHROME_PATH || commands.map(which).find(Boolean) || places.find((path) => existsSync(path));

/** Where chromedriver is; without one, wasm-pack fetches its own. */
export const findChromedriver = () => process.env.CHROMEDRIVER_PATH || which("chromedriver");
