// The package as users get it: packed, installed into other projects, and used there.
import { runInBrowser } from "./browser.mjs";

export const packages = (result) => runInBrowser("tests/packages", result);
