// The server's HTTP, as far as the console needs it.

/** Asks the server. Throws an Error whose message a person can act on. */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Error("The server does not answer. Is it running?");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw Object.assign(new Error(body?.error?.message ?? `The server answered ${response.status}.`), {
      code: body?.error?.code ?? String(response.status),
    });
  }
  return body;
}

function post(path, body) {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

function streamPath(stream) {
  return `/v1/streams/${encodeURIComponent(stream)}`;
}

/** Starts a run. → { run, stream } */
export function startRun(errand) {
  return post("/v1/dev/runs", errand);
}

/** Sets the odds of trouble for a consumer: { drop, duplicate, reorder }, each 0 to 0.9. */
export function setTrouble(consumer, odds) {
  return post("/v1/dev/trouble", { consumer, ...odds });
}

/** The odds that are set. */
export function readTrouble(consumer) {
  return ask(`/v1/dev/trouble?consumer=${encodeURIComponent(consumer)}`);
}

/** Cuts the consumer's connection. */
export function cut(consumer) {
  return post("/v1/dev/cut", { consumer });
}

/** → { stream, epoch, oldest, head, ended, events, bytes } */
export function readStream(stream) {
  return ask(streamPath(stream));
}

/** → { stream, epoch, after, upto, head, events } */
export function readEvents(stream, after, limit) {
  return ask(`${streamPath(stream)}/events?after=${after}&limit=${limit}`);
}

/** How far each consumer has confirmed the stream, by the server's account. */
export function readConsumers(stream) {
  return ask(`${streamPath(stream)}/consumers`);
}

/** → { event, deliveries: [{ consumer, state, latency_ms, … }] } */
export function readDeliveries(stream, id) {
  return ask(`${streamPath(stream)}/events/${encodeURIComponent(id)}`);
}

/** The command that posts an event to the stream from a shell. */
export function curlCommand(stream) {
  return [
    `curl ${location.origin}${streamPath(stream)}/events \\`,
    `  -H 'content-type: application/json' \\`,
    `  -d '{"type":"note","data":{"text":"Hello from a shell"}}'`,
  ].join("\n");
}
