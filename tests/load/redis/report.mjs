// What `npm run load -- redis` has found, as tables for docs/benchmarks.md.
import { figure } from "../../../benches/browser/report/figures.mjs";
import { sizing, WANTED } from "./sizing.mjs";

export function toMarkdown(report, machine) {
  const { redis, fsync, bytes, seconds } = report;
  return [
    [
      `Measured ${machine.date} at commit ${machine.commit}; ${seconds} s of appends for each line, events of ${bytes} B.`,
      `Machine: ${machine.processors}, ${machine.memoryGb} GB, ${machine.system}, for the servers, Redis ${redis} (appendfsync`,
      `${fsync}) and the client together.`,
    ].join("\n"),
    "### Events a second",
    throughputTable(report.throughput),
    "### From a producer to another server's client",
    latencyTable(report.latency),
    "### What is held",
    heldTable(report.held),
    "### On paper: a million connections",
    sizingText(report),
  ].join("\n\n");
}

const table = (head, rows) =>
  [head, head.map((_, index) => (index === 0 ? "---" : "--:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");

const count = (value) => value.toLocaleString("en-US");

function throughputTable(runs) {
  const head = ["streams", "events of an append", "servers", "appended/s", "delivered and confirmed/s"];
  const cost = ["servers' CPU µs/event, all together", "Redis's CPU µs/event"];
  const rows = runs
    .toSorted(inOrder)
    .map((run) => [
      count(run.streams),
      run.batch,
      run.servers,
      ...[run.appended_per_second, run.delivered_per_second].map(figure),
      ...[run.server_cpu_micros_per_event, run.redis_cpu_micros_per_event].map(figure),
    ]);
  return table([...head, ...cost], rows);
}

const inOrder = (one, other) => one.streams - other.streams || one.batch - other.batch || one.servers - other.servers;

function latencyTable({ events_per_second: rate, answer, same_server: same, other_server: other, page }) {
  const rows = [
    ["the producer has its answer", answer],
    ["a client of the same server has the event", same],
    ["a client of another server has it", other],
    ["a page's handler at another server has it", page],
  ];
  const text = `${rate} events a second, one at a time; milliseconds from before the append is sent.`;
  const lines = rows.map(([what, times]) => [what, ...["p50", "p90", "p99", "max"].map((name) => figure(times[name]))]);
  return `${text}\n\n${table(["until", "median", "p90", "p99", "longest"], lines)}`;
}

function heldTable(held) {
  const rows = [
    [
      `a server's memory for a connection with a stream (of ${count(held.connections)})`,
      held.server_kb_per_connection,
      "KB",
    ],
    ["the same after an event", held.server_kb_after_event, "KB"],
    ["a server's CPU for a heartbeat", held.server_cpu_micros_per_heartbeat, "µs"],
    ["connections made and subscribed by one server", held.connects_per_second, "a second"],
    ["Redis's memory for an empty stream", held.redis_bytes_per_stream, "B"],
    ["for its first event and its consumer", held.redis_bytes_per_first_event, "B"],
    ["for a further event", held.redis_bytes_per_event, "B"],
  ];
  return table(
    ["what", "", ""],
    rows.map(([what, value, unit]) => [what, figure(value), unit]),
  );
}

/** The calculation, with the numbers of above in it. */
function sizingText(report) {
  const { connections, everySeconds, heartbeatSeconds, eventsKept, cores, busy, serverGb } = WANTED;
  const { throughput, held } = report;
  const size = sizing(report);
  const percent = `${busy * 100} %`;
  const growth = ({ first, more }) => `${figure(first)} + ${figure(more)} × (servers − 1)`;
  const asked = [
    `${count(connections)} connections, each with a stream of its own and an event every ${everySeconds} s on average:`,
    `${count(size.events)} events/s; a heartbeat every ${heartbeatSeconds} s: ${count(size.heartbeats)}/s. The last ${eventsKept} events of`,
    `each stream are kept. Servers with ${cores} cores, used to ${percent}, and ${serverGb} GB for their connections.`,
  ];
  const costs = [
    `- An event costs all servers together ${growth(size.server)} µs, and Redis ${growth(size.redis)} µs (the lines above`,
    `  with ${count(size.streams)} streams and single events; a straight line through ${new Set(throughput.map((run) => run.servers)).size} points, so far-fetched for many servers).`,
  ];
  if (!size.servers) {
    return [
      ...asked,
      "",
      ...costs,
      "- No number of servers is enough: what each one adds to every event is more than it can bear.",
    ].join("\n");
  }
  const results = [
    `- **Servers: ${size.servers}.** ${figure(size.serverCores)} cores (events, and ${figure(held.server_cpu_micros_per_heartbeat)} µs for each heartbeat), ${figure(size.memoryGb)} GB (${figure(held.server_kb_after_event)} KB for each`,
    "  connection). One more, for upgrades.",
    `- **Redis shards: ${size.shards}.** ${figure(size.redisCores)} cores at ${percent}; a primary's commands run on one. Each with its replicas.`,
    `- **Redis's memory: ${figure(size.redisGb)} GB** together, ${figure(size.redisGb / size.shards)} GB for each shard: ${figure(size.bytesPerStream)} B for each stream, its consumer and ${eventsKept} events. A quarter`,
    "  more for copies and rewriting.",
    `- If a server dies, its ${count(Math.round(connections / size.servers))} clients are back at the others in ${figure(size.backSeconds)} s, at ${figure(held.connects_per_second)} a second and server.`,
  ];
  return [...asked, "", ...costs, ...results].join("\n");
}
