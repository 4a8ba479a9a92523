// A run's report, for people.

const number = (value) => value.toLocaleString("en");
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const row = (name, value, more = "") => `  ${name.padEnd(16)} ${value.padStart(12)}${more && `   ${more}`}`;

/** `mm:ss`. */
export const clockTime = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** One line of a run under way. */
export function progressLine({ seconds, of, active, awaits, cuts, kills, violations, ...counts }) {
  const quiet = awaits.length > 0 ? `waiting for: ${awaits.join("; ")}` : "quiet";
  const now = active.length > 0 ? [...new Set(active)].join(", ") : quiet;
  const events = `in ${number(counts.in)}, applied ${number(counts.applied)}`;
  return `${clockTime(seconds)} of ${clockTime(of)}: ${events}, ${cuts} cuts, ${kills} kills, ${violations} violations; now: ${now}`;
}

/** The whole of it. */
export function reportText(report) {
  const { memory, longestOutage, troubles, broken, violations, leftOut } = report;
  const memoryOf = (name) => `${mebibytes(memory.start[name])} → ${mebibytes(memory.end[name])}`;
  const outage = longestOutage.tab ? `${longestOutage.tab}, ${longestOutage.stream}` : "";
  const count = Object.values(broken).reduce((sum, count) => sum + count, 0);
  return [
    `Seed ${report.seed}: ${clockTime(report.troubledMs / 1000)} of trouble, settled after ${clockTime(report.ms / 1000)}; ` +
      `${report.tabs} tabs, ${report.streams} streams, ${report.producers} producers, ${report.servers} servers`,
    row(
      "events in",
      number(report.in),
      `${number(report.repeats)} of ${number(report.requests)} requests were repeats`,
    ),
    row(
      "applied",
      number(report.applied),
      `${number(report.failures)} failures of handlers, ${number(report.deadLetters)} dead letters of poison`,
    ),
    row("lost", number(report.lost)),
    row("repeated", number(report.repeated), `${number(report.appliedAgain)} applied again by a later page life`),
    row(
      "resends",
      number(report.resends),
      `${number(report.gaps)} gaps, ${number(report.repaired)} repaired, ${number(report.duplicates)} repeats not handed over`,
    ),
    row("connections", number(report.connections), "of pages, welcomed"),
    row("longest outage", `${(longestOutage.ms / 1000).toFixed(1)} s`, outage),
    ...(longestOutage.tab
      ? [
          `    troubles then:   ${longestOutage.during.join(", ")}`,
          `    connection then: ${longestOutage.states.join(", ")}`,
        ]
      : []),
    `  memory           server ${memoryOf("server")} (at most ${mebibytes(memory.serverPeak)}), ` +
      `JS heaps ${memoryOf("heap")}, wasm ${memoryOf("wasm")}`,
    "  troubles",
    ...Object.entries(troubles)
      .sort(([, one], [, other]) => other.made - one.made)
      .map(([kind, { made, ...counts }]) => `  ${row(kind, number(made), describe(counts))}`),
    ...leftOut.map((why) => `  left out: ${why}`),
    count === 0 ? "No violation." : `${number(count)} violations: ${describe(broken)}`,
    ...violations.map((violation) => `  ✗ ${violation}`),
  ].join("\n");
}

const describe = (counts) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${number(count)}`)
    .join(", ");
