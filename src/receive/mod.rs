//! The browser's end: what arrived, what is missing, what is applied.
//!
//! [`Session`] is one client: its connection, its subscriptions, its outbox. It is sans-IO: hand in one input with the
//! time, drain [`poll_transmit`](Session::poll_transmit), [`poll_notice`](Session::poll_notice) and
//! [`poll_checkpoint`](Session::poll_checkpoint) until they return `None`, arm one timer for
//! [`poll_timeout`](Session::poll_timeout).

mod checkpoint;
mod config;
mod confirmations;
mod dedupe;
mod gap;
mod hash;
mod held;
mod link;
mod outbox;
mod output;
mod phrase;
mod requeued;
mod session;
mod stats;
mod subscription;

pub use checkpoint::{Checkpoint, StreamCheckpoint};
pub use config::{Config, SubscribeOptions};
pub use hash::IdHasher;
pub use held::MAX_HELD_FRAMES;
pub use outbox::MAX_IN_FLIGHT;
pub use output::{Notice, State, StateReason, Transmit, Trouble};
pub use phrase::Phrase;
pub use requeued::MAX_REMEMBERED;
pub use session::{PublishError, Session, SubscribeError};
pub use stats::{Counters, Footprint, Positions, Stats, SubscriptionStats};
pub use subscription::{HELD_WINDOWS, MAX_FAILED_AHEAD};

use crate::wire::{Seq, Text};

/// A subscription, as its session names it; never used twice.
pub type SubscriptionId = u32;

/// A socket, as its session names it. Words of an older socket are inert [AW-CONN-6].
pub type SocketId = u32;

/// What the core needs to know of an event; the rest is payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its place.
    pub seq: Seq,
    /// Its id through [`IdHasher`].
    pub id_hash: u64,
    /// Which delivery this is, from 1.
    pub attempt: u32,
    /// Whether its confirmation is wanted at once.
    pub critical: bool,
}

/// An `events` frame: it covers (after, upto].
#[derive(Clone, Debug)]
pub struct Batch<'a, P> {
    /// Exclusive start.
    pub after: Seq,
    /// Inclusive end.
    pub upto: Seq,
    /// Whether these are dead letters in their second life, which continue nothing [AW-SEND-9].
    pub requeued: bool,
    /// What is listed, in the frame's order.
    pub heads: &'a [Head],
    /// The frame's events, which the core never looks into.
    pub payload: P,
}

/// How the handling of an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied.
    Confirmed,
    /// A handler threw or rejected.
    Failed {
        /// What it said; cut to 1,000 bytes.
        error: Text,
        /// Whether another try is wanted.
        retry: bool,
    },
}
