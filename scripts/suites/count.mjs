// Reads the counts out of what test runners print.
import { stripVTControlCharacters } from "node:util";

/** cargo's and wasm-bindgen's: `test result: ok. 12 passed; 0 failed; 1 ignored; …` */
export const countCargo = (result) => (line) => {
  const counts = plain(line).match(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/);
  if (!counts) return;
  result.passed += Number(counts[1]);
  result.failed += Number(counts[2]);
  result.skipped += Number(counts[3]);
};

/** Node's: `ℹ pass 12`, one line for each outcome. */
export const countNode = (result) => (line) => {
  const count = plain(line).match(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/);
  if (!count) return;
  const outcome = { pass: "passed", fail: "failed", cancelled: "failed", skipped: "skipped", todo: "skipped" }[
    count[1]
  ];
  result[outcome] += Number(count[2]);
};

const plain = (line) => stripVTControlCharacters(line).trim();
