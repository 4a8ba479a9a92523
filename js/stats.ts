import type { Positions, Stats, SubscriptionStats } from "./types.js";

/** Positions as the engine gives them. These lists have the order of the fields in `src/receive/stats.rs`. */
export type PositionsList = readonly [epoch: string | null, received: number, delivered: number, confirmed: number];

/** What the engine counts. */
export type StatsList = readonly [
  counts: readonly [connections: number, unknownFrames: number, staleFrames: number, acks: number, nacks: number],
  outbox: number,
  subscriptions: readonly SubscriptionList[],
];

type SubscriptionList = readonly [
  stream: string,
  positions: PositionsList,
  unsettled: number,
  held: number,
  counters: readonly [
    delivered: number,
    confirmed: number,
    failed: number,
    duplicates: number,
    suppressed: number,
    gaps: number,
    repaired: number,
    resends: number,
    lost: number,
    resets: number,
  ],
];

/** What the engine counted; nothing before there is one. */
export function readStats([counts, outbox, subscriptions]: StatsList): Omit<Stats, "state" | "subscriptions"> & {
  readonly subscriptions: readonly Omit<SubscriptionStats, "unhandled">[];
} {
  const [connections, unknown_frames, stale_frames, acks, nacks] = counts;
  return {
    connections,
    unknown_frames,
    stale_frames,
    acks,
    nacks,
    outbox,
    subscriptions: subscriptions.map(readSubscription),
  };
}

export function readPositions([epoch, received, delivered, confirmed]: PositionsList): Positions {
  return { epoch, received, delivered, confirmed };
}

function readSubscription([stream, positions, unsettled, held, counters]: SubscriptionList) {
  const [delivered_events, confirmed_events, failed, duplicates, suppressed, gaps, repaired, resends, lost, resets] =
    counters;
  const known = { delivered_events, confirmed_events, failed, duplicates, suppressed, gaps, repaired, resends };
  return { stream, ...readPositions(positions), unsettled, held, ...known, lost, resets };
}
