// Everything that a test of this folder needs.
export { useBrowser, useChromium } from "./browser.mjs";
export { produce, runEvents } from "./produce.mjs";
export { startProxy } from "./proxy.mjs";
export { anySeed, generator, printedSeed, seeded } from "./random.mjs";
export { hasRedis, startRedis } from "./redis.mjs";
export { startServer } from "./server.mjs";
export { startSite } from "./site.mjs";
export { newSecret, sign } from "./token.mjs";
export { DEADLINE_MS, until } from "./until.mjs";
export { verdict } from "./verdict.mjs";
