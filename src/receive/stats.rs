//! Counters and positions, as snapshots.
//!
//! In the browser they leave as one list of numbers: the facade has the names (`js/stats.ts`). Serialised as objects they
//! would be 1 KB of the package more.

use crate::wire::{Epoch, Seq, StreamName};

/// The three positions of a subscription [AW-RECV-9], and the log they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Which log; `None` before the server has said.
    pub epoch: Option<Epoch>,
    /// The highest seq heard of.
    pub received: Seq,
    /// Everything up to here was delivered, skipped, or declared lost.
    pub delivered: Seq,
    /// Everything up to here is confirmed, or accounted for otherwise.
    pub confirmed: Seq,
}

/// What a subscription has seen, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events handed to handlers, repeats after a failure included.
    pub delivered: u64,
    /// Events confirmed.
    pub confirmed: u64,
    /// Handlers that failed.
    pub failed: u64,
    /// Events that came again.
    pub duplicates: u64,
    /// Events suppressed because their id was known under another seq.
    pub suppressed: u64,
    /// Gaps that were asked for.
    pub gaps: u64,
    /// Gaps that were filled.
    pub repaired: u64,
    /// `resend` frames sent.
    pub resends: u64,
    /// Ranges declared lost.
    pub lost: u64,
    /// Resets.
    pub resets: u64,
}

/// A subscription's snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// Which stream.
    pub stream: StreamName,
    /// Where it stands.
    pub positions: Positions,
    /// Delivered and not settled.
    pub unsettled: u32,
    /// Held behind a gap.
    pub held: u32,
    /// What it has seen.
    pub counters: Counters,
}

/// What a subscription keeps besides what its [`SubscriptionStats`] counts, in entries of bounded size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Ids: at most [`Config::dedupe_window`](super::Config::dedupe_window).
    pub ids: usize,
    /// Frames behind a gap: at most [`MAX_HELD_FRAMES`](super::MAX_HELD_FRAMES).
    pub held_frames: usize,
    /// Ranges beyond the cursor that failed for good: at most [`MAX_FAILED_AHEAD`](super::MAX_FAILED_AHEAD).
    pub failed_ahead: usize,
    /// Ranges beyond the cursor that an earlier life of the page applied: at most [`MAX_RANGES`](crate::wire::MAX_RANGES).
    pub ahead: usize,
    /// Dead letters in their second life: at most [`MAX_REMEMBERED`](super::MAX_REMEMBERED).
    pub requeued: usize,
}

/// A session's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that were welcomed.
    pub connections: u64,
    /// Frames of a type, or with a value, that this version does not know.
    pub unknown_frames: u64,
    /// Frames of an older socket, or for no subscription.
    pub stale_frames: u64,
    /// `ack` frames sent.
    pub acks: u64,
    /// `nack` frames sent.
    pub nacks: u64,
    /// Publishes that wait for their answer.
    pub outbox: u32,
    /// Each subscription.
    pub subscriptions: Vec<SubscriptionStats>,
}
