// What a page waits for before it can connect at all, once everything that it needs has been fetched.

const columns = [
  ["engineMs", { title: "WebAssembly fetched → ready, ms" }],
  ["socketMs", { title: "→ socket opened, ms" }],
];

/** Each run is a page of its own, which has compiled nothing yet. */
export function ready() {
  return {
    title: "from the fetched WebAssembly to the first socket",
    columns,
    plot: { column: "socketMs", title: "ms, less is better" },
    takes: ({ hasEngine = false }) => hasEngine,
    plan: () => ({ streams: [], count: 0, bytes: 0 }),
    measure: async ({ peer, open }) => (await open()).call("ready", await peer.call("guest", {})),
  };
}
