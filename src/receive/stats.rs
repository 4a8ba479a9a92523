//! Counters and positions, as snapshots.

use serde::Serialize;

use crate::wire::{Epoch, Seq, StreamName};

/// The three positions of a subscription [AW-RECV-9], and the log they are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Events handed to handlers, repeats after a failure included.
    #[serde(rename = "delivered_events")]
    pub delivered: u64,
    /// Events confirmed.
    #[serde(rename = "confirmed_events")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionStats {
    /// Which stream.
    pub stream: StreamName,
    /// Where it stands.
    #[serde(flatten)]
    pub positions: Positions,
    /// Delivered and not settled.
    pub unsettled: u32,
    /// Held behind a gap.
    pub held: u32,
    /// What it has seen.
    #[serde(flatten)]
    pub counters: Counters,
}

/// A session's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections that were welcomed.
    pub connections: u64,
    /// Frames of a type, or with a value, that this version does not know.
    pub unknown_frames: u64,
    /// Frames of an older socket, or for no subscription.
    pub stale_frames: u64,
    /// `ack` frames sent.
    pub acks: u64,
    /// Publishes that wait for their answer.
    pub outbox: u32,
    /// Each subscription.
    pub subscriptions: Vec<SubscriptionStats>,
}
