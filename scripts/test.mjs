// `npm test`: installs what is missing, then runs every test. `npm test -- --only rust,browser` runs some of them.
import { parseArgs } from "node:util";
import { watchForTokens } from "./lib/secrets.mjs";
import { bold, dim, Failure, green, main, red, say, seconds } from "./lib/step.mjs";
import { suites } from "./suites/index.mjs";

await main(async () => {
  const chosen = choose();
  const begun = performance.now();
  const results = [];
  const tokensSeen = watchForTokens();
  for (const name of chosen) results.push(await runSuite(name, suites[name]));
  results.push(await runSuite("secrets", (result) => lookForTokens(tokensSeen, result)));
  report(results, begun);
  return results.some(({ failed }) => failed > 0) ? 1 : 0;
});

function choose() {
  const names = Object.keys(suites);
  let only;
  try {
    ({ only } = parseArgs({ options: { only: { type: "string" } } }).values);
  } catch (error) {
    throw new Failure(`${error.message}. Use: npm test -- --only ${names.join("|")} (several with commas)`);
  }
  const chosen = only?.split(",") ?? names;
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Failure(`There is no suite "${unknown}": choose among ${names.join(", ")}.`);
  return chosen;
}

/** Runs one suite to its end; one that cannot even run counts as one failed test. */
async function runSuite(name, suite) {
  console.log(`\n${bold(`── ${name} ${"─".repeat(Math.max(0, 60 - name.length))}`)}`);
  const begun = performance.now();
  const result = { name, passed: 0, failed: 0, skipped: 0, complaints: [] };
  try {
    await suite(result);
  } catch (error) {
    if (result.failed === 0) result.failed = 1;
    result.complaints.push(error instanceof Failure ? error.message : error.stack);
    console.error(red(`✗ ${result.complaints.at(-1)}`));
  }
  return { ...result, time: seconds(begun) };
}

/** What the suites printed, and what was logged under test, holds no token: one test of all of them. */
function lookForTokens(tokensSeen, result) {
  say(tokensSeen());
  result.passed++;
}

function report(results, begun) {
  console.log(`\n${bold("── summary ".padEnd(64, "─"))}`);
  for (const { name, time, complaints, ...counts } of results) {
    const mark = counts.failed ? red("✗") : green("✓");
    console.log(`${mark} ${name.padEnd(10)} ${inWords(counts).padEnd(40)} ${dim(time)}`);
    for (const complaint of complaints) console.log(`    ${complaint.split("\n")[0]}`);
  }
  say(`Took ${seconds(begun)}`);
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(inWords({ passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") }));
}

function inWords({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
