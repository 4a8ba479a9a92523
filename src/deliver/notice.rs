//! What a feed tells its shell, for logs, metrics and whoever waits for a confirmation.

use serde::{Deserialize, Serialize};

use crate::base::Duration;
use crate::wire::{EventId, LostRange, Priority, Seq};

/// Something happened to an event of this consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is applied.
    Confirmed {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
        /// Its priority.
        priority: Priority,
        /// The attempt that it was on.
        attempt: u32,
        /// From its first sending.
        latency: Duration,
        /// Whether it had timed out, or had been given up, before.
        late: bool,
    },
    /// Its handler failed; it will be sent again.
    Failed {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
        /// Its priority.
        priority: Priority,
        /// The attempt that failed.
        attempt: u32,
        /// When the retry is due.
        retry_in: Duration,
    },
    /// It was not confirmed in time; it will be sent again.
    Timeout {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
        /// Its priority.
        priority: Priority,
        /// The attempt that timed out.
        attempt: u32,
        /// When the retry is due.
        retry_in: Duration,
    },
    /// It is being sent again.
    Retrying {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
        /// The new attempt.
        attempt: u32,
    },
    /// It failed for good.
    Dead {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
        /// Its priority.
        priority: Priority,
        /// The last attempt.
        attempt: u32,
    },
    /// Its dead letter was put away.
    Discarded {
        /// Which event.
        seq: Seq,
        /// Its id.
        id: EventId,
    },
    /// The log no longer holds what this consumer had not settled.
    Lost(LostRange),
    /// The log was replaced while a connection was attached. The shell closes that connection with 1012: the client
    /// comes back and learns of the reset.
    EpochChanged,
}

/// What happened to one consumer's events, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Events sent, each counted at its first sending.
    pub sent: u64,
    /// Events confirmed.
    pub confirmed: u64,
    /// Those of them that had timed out or had been given up before.
    pub late: u64,
    /// Failures that the consumer reported.
    pub failed: u64,
    /// Deadlines that passed.
    pub timeouts: u64,
    /// Sendings with a higher attempt.
    pub retries: u64,
    /// Events that failed for good.
    pub dead: u64,
    /// Of the retries, those after which the event was confirmed.
    #[serde(default)]
    pub recovered: u64,
    /// Dead letters that were given another life.
    #[serde(default)]
    pub requeued: u64,
    /// Ranges that the consumer asked for again.
    pub resends: u64,
}
