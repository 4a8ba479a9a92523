// How much it takes for a million connections, worked out from what was measured with a few.

/** What is asked for, and how far machines are to be used. */
export const WANTED = {
  connections: 1_000_000,
  /** Seconds between two events of a connection's stream, on average. */
  everySeconds: 10,
  heartbeatSeconds: 25,
  eventsKept: 100,
  cores: 8,
  /** How busy a core shall be at the most. */
  busy: 0.5,
  /** Of a server's memory, in GB, for what its connections take. */
  serverGb: 16,
};

/** What one more server adds to each event shows between these. */
export function sizing({ throughput, held }, wanted = WANTED) {
  const { connections, everySeconds, heartbeatSeconds, eventsKept, cores, busy, serverGb } = wanted;
  const streams = Math.max(...throughput.map((run) => run.streams));
  const runs = throughput.filter((run) => run.batch === 1 && run.streams === streams);
  const server = line(runs.map((run) => [run.servers, run.server_cpu_micros_per_event]));
  const redis = line(runs.map((run) => [run.servers, run.redis_cpu_micros_per_event]));
  const [events, heartbeats] = [connections / everySeconds, connections / heartbeatSeconds];
  const coresOf = (count) =>
    (events * server.at(count) + heartbeats * held.server_cpu_micros_per_heartbeat) / 1e6 / busy;
  const memoryGb = (connections * held.server_kb_after_event) / 2 ** 20;
  const enough = (count) => count * cores >= coresOf(count) && count * serverGb >= memoryGb;
  const servers = Array.from({ length: 1_000 }, (_, index) => index + 1).find(enough);
  const redisCores = servers && (events * redis.at(servers)) / 1e6 / busy;
  const bytesPerStream =
    held.redis_bytes_per_stream + held.redis_bytes_per_first_event + (eventsKept - 1) * held.redis_bytes_per_event;
  return {
    streams,
    server,
    redis,
    events,
    heartbeats,
    memoryGb,
    servers,
    serverCores: servers && coresOf(servers),
    redisCores,
    shards: servers && Math.ceil(redisCores),
    bytesPerStream,
    redisGb: (connections * bytesPerStream) / 2 ** 30,
    /** How long the clients of a server that dies need to be back at the others. */
    backSeconds: servers && connections / servers / ((servers - 1) * held.connects_per_second),
  };
}

/** The straight line that is nearest to the points. */
function line(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [0, 1].map((axis) => mean(points.map((point) => point[axis])));
  const spread = mean(points.map(([px]) => (px - x) ** 2));
  const slope = spread === 0 ? 0 : mean(points.map(([px, py]) => (px - x) * (py - y))) / spread;
  // Less for more servers would be noise.
  const more = Math.max(0, slope);
  return { first: y + more * (1 - x), more, at: (count) => y + more * (count - x) };
}
