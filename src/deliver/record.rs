//! What is known about one event and one consumer.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use crate::base::{Duration, Instant};
use crate::wire::{EventId, MAX_ERROR_BYTES, Priority, Seq, truncate};

/// Most errors that are kept of one event; the oldest go first.
pub const MAX_ERRORS: usize = 8;

/// What has become of an event for one consumer [AW-SEND-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In the log, not sent yet.
    Pending,
    /// Sent for the first time, not settled.
    Sent,
    /// Applied.
    Confirmed,
    /// The handler failed; a retry is due.
    Failed,
    /// Not confirmed within the deadline; a retry is due.
    Timeout,
    /// Sent again with a higher attempt, not settled.
    Retrying,
    /// Failed for good.
    Dead,
    /// Passed over: by `from: "now"`, by the filter, or because the log no longer held it.
    Skipped,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which delivery failed.
    pub attempt: u32,
    /// When, in milliseconds of the caller's clock.
    pub at: u64,
    /// What the handler said, or that the deadline passed; at most [`MAX_ERROR_BYTES`].
    pub message: String,
}

/// An event that is sent and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub id: EventId,
    pub priority: Priority,
    pub attempt: u32,
    /// The first sending: what a confirmation's latency counts from.
    pub sent_at: Instant,
    pub phase: Phase,
    /// Oldest first.
    pub failures: VecDeque<Failure>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Sent; the deadline runs only if the sending connection is still attached.
    Unsettled { deadline: Option<Instant> },
    /// Failed or timed out; goes out with the next attempt at `retry_at`.
    Waiting { timed_out: bool, retry_at: Instant },
}

impl Record {
    pub fn new(now: Instant, id: EventId, priority: Priority) -> Self {
        let phase = Phase::Unsettled { deadline: None };
        Self { id, priority, attempt: 1, sent_at: now, phase, failures: VecDeque::new() }
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Unsettled { .. } if self.attempt == 1 => State::Sent,
            Phase::Unsettled { .. } => State::Retrying,
            Phase::Waiting { timed_out: true, .. } => State::Timeout,
            Phase::Waiting { timed_out: false, .. } => State::Failed,
        }
    }

    /// When something is to happen to it.
    pub fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Unsettled { deadline } => deadline,
            Phase::Waiting { retry_at, .. } => Some(retry_at),
        }
    }

    pub fn note_failure(&mut self, now: Instant, message: &str) {
        if self.failures.len() == MAX_ERRORS {
            self.failures.pop_front();
        }
        let message = truncate(message, MAX_ERROR_BYTES).to_owned();
        self.failures.push_back(Failure { attempt: self.attempt, at: now.as_millis(), message });
    }
}

/// An event that failed for good for one consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its place in the stream.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// How often it was sent.
    pub attempt: u32,
    /// When it was given up, in milliseconds of the caller's clock.
    pub at: u64,
    /// What went wrong, oldest first.
    pub failures: VecDeque<Failure>,
}

/// The answer to: what became of this event?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub state: State,
    /// How often it was sent; 0 if it was not.
    pub attempt: u32,
    /// When it was first sent, as far as that is remembered.
    pub sent_at: Option<Instant>,
    /// When it was confirmed or given up, as far as that is remembered.
    pub settled_at: Option<Instant>,
    /// From the first sending to the confirmation, as far as that is remembered.
    pub latency: Option<Duration>,
    /// What went wrong, oldest first.
    pub failures: Vec<Failure>,
}

impl Delivery {
    /// A state about which nothing more is known.
    pub(super) fn bare(state: State, attempt: u32) -> Self {
        Self { state, attempt, sent_at: None, settled_at: None, latency: None, failures: Vec::new() }
    }
}
