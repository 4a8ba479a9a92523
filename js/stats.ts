import type { Positions, Stats, SubscriptionStats } from "./types.js";

type Counted = Omit<SubscriptionStats, "unhandled">;

/** How many numbers come before the subscriptions, and how many each of these has. */
const CLIENT = 6;
const SUBSCRIPTION = 17;

/** What the engine counted, in the order of `src/receive/stats.rs`. */
export function readStats(
  numbers: readonly number[],
  name: (number: number) => string | undefined,
): Omit<Stats, "state" | "subscriptions"> & { readonly subscriptions: readonly Counted[] } {
  const [connections = 0, unknown_frames = 0, stale_frames = 0, acks = 0, nacks = 0, outbox = 0] = numbers;
  const subscriptions: Counted[] = [];
  for (let at = CLIENT; at < numbers.length; at += SUBSCRIPTION) {
    const [stream, epoch, ...rest] = numbers.slice(at, at + SUBSCRIPTION);
    subscriptions.push(
      readSubscription(name(stream as number) ?? "", name(epoch as number) ?? null, rest as unknown as Rest),
    );
  }
  return { connections, unknown_frames, stale_frames, acks, nacks, outbox, subscriptions };
}

type Rest = readonly [
  ...positions: readonly [received: number, delivered: number, confirmed: number],
  unsettled: number,
  held: number,
  ...counters: readonly [
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

function readSubscription(stream: string, epoch: string | null, numbers: Rest): Counted {
  const [received, delivered, confirmed, unsettled, held, ...counters] = numbers;
  const [delivered_events, confirmed_events, failed, duplicates, suppressed, gaps, repaired, resends, lost, resets] =
    counters;
  const known = { delivered_events, confirmed_events, failed, duplicates, suppressed, gaps, repaired, resends };
  return { stream, epoch, received, delivered, confirmed, unsettled, held, ...known, lost, resets };
}

export function positionsOf({ epoch, received, delivered, confirmed }: Positions): Positions {
  return { epoch, received, delivered, confirmed };
}
