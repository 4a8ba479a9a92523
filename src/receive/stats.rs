//! Counters and positions, as snapshots.

use serde::{Serialize, Serializer};

use crate::wire::{Epoch, Seq, StreamName};

/// The three positions of a subscription [AW-RECV-9], and the log they are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Positions {
    /// Which log; `None` before the server has said.
    pub epoch: Option<Epoch>,
    /// The highest seq heard of.
    #[serde(serialize_with = "number")]
    pub received: Seq,
    /// Everything up to here was delivered, skipped, or declared lost.
    #[serde(serialize_with = "number")]
    pub delivered: Seq,
    /// Everything up to here is confirmed, or accounted for otherwise.
    #[serde(serialize_with = "number")]
    pub confirmed: Seq,
}

/// What a subscription has seen, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Events handed to handlers, repeats after a failure included.
    #[serde(rename = "delivered_events", serialize_with = "number")]
    pub delivered: u64,
    /// Events confirmed.
    #[serde(rename = "confirmed_events", serialize_with = "number")]
    pub confirmed: u64,
    /// Handlers that failed.
    #[serde(serialize_with = "number")]
    pub failed: u64,
    /// Events that came again.
    #[serde(serialize_with = "number")]
    pub duplicates: u64,
    /// Events suppressed because their id was known under another seq.
    #[serde(serialize_with = "number")]
    pub suppressed: u64,
    /// Gaps that were asked for.
    #[serde(serialize_with = "number")]
    pub gaps: u64,
    /// Gaps that were filled.
    #[serde(serialize_with = "number")]
    pub repaired: u64,
    /// `resend` frames sent.
    #[serde(serialize_with = "number")]
    pub resends: u64,
    /// Ranges declared lost.
    #[serde(serialize_with = "number")]
    pub lost: u64,
    /// Resets.
    #[serde(serialize_with = "number")]
    pub resets: u64,
}

/// A subscription's snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// A session's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections that were welcomed.
    #[serde(serialize_with = "number")]
    pub connections: u64,
    /// Frames of a type, or with a value, that this version does not know.
    #[serde(serialize_with = "number")]
    pub unknown_frames: u64,
    /// Frames of an older socket, or for no subscription.
    #[serde(serialize_with = "number")]
    pub stale_frames: u64,
    /// `ack` frames sent.
    #[serde(serialize_with = "number")]
    pub acks: u64,
    /// Publishes that wait for their answer.
    pub outbox: u32,
    /// Each subscription.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// As JavaScript has numbers; serialising a `u64` brings its error's formatting, 2 KB of it.
fn number<S: Serializer>(value: &(impl Copy + Into<u64>), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((*value).into() as f64)
}
