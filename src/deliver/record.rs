//! What is known about one event and one consumer.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::{Config, Head};
use crate::base::{Duration, Instant};
use crate::wire::{Event, EventId, MAX_ERROR_BYTES, Priority, Seq, truncate};

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
    /// Whether it was the deadline.
    #[serde(default, skip_serializing_if = "is_false")]
    pub timed_out: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What an event's producer asked for; what is absent is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
}

impl Terms {
    pub fn of(event: &Event) -> Self {
        Self { deadline_ms: event.deadline_ms, retries: event.retries }
    }

    pub fn of_head(head: &Head) -> Self {
        Self { deadline_ms: head.deadline_ms, retries: head.retries }
    }

    pub fn deadline(self, config: &Config) -> Duration {
        self.deadline_ms.map_or(config.deadline, |millis| Duration::from_millis(millis.into()))
    }

    pub fn retries(self, config: &Config) -> u32 {
        self.retries.unwrap_or(config.retries)
    }
}

/// An event that is sent and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub id: EventId,
    pub priority: Priority,
    pub terms: Terms,
    pub attempt: u32,
    /// The attempts of its earlier life, if it was a dead letter; its retries count from there [AW-SEND-9].
    pub spent: u32,
    /// Since when it is in its state.
    pub since: Instant,
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
    pub fn new(now: Instant, id: EventId, priority: Priority, terms: Terms) -> Self {
        let phase = Phase::Unsettled { deadline: None };
        let (attempt, spent, failures) = (1, 0, VecDeque::new());
        Self { id, priority, terms, attempt, spent, since: now, sent_at: now, phase, failures }
    }

    /// Whether it was a dead letter: then only its own confirmation settles it [AW-SEND-9].
    pub fn is_requeued(&self) -> bool {
        self.spent > 0
    }

    /// Whether a confirmation comes after its deadline, or after it had been given up.
    pub fn is_late(&self) -> bool {
        self.is_requeued() || matches!(self.phase, Phase::Waiting { timed_out: true, .. })
    }

    /// Whether the last that went wrong was its deadline.
    pub fn is_expired(&self) -> bool {
        self.failures.back().is_some_and(|failure| failure.timed_out)
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

    pub fn note_failure(&mut self, now: Instant, message: &str, timed_out: bool) {
        if self.failures.len() == MAX_ERRORS {
            self.failures.pop_front();
        }
        let message = truncate(message, MAX_ERROR_BYTES).to_owned();
        self.failures.push_back(Failure { attempt: self.attempt, at: now.as_millis(), message, timed_out });
    }
}

/// An event that failed for good for one consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its place in the stream.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Its priority.
    #[serde(default)]
    pub priority: Priority,
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
    /// Since when it is in its state, as far as that is remembered.
    pub since: Option<Instant>,
    /// When something happens to it unless it is confirmed: its deadline, or its retry. `None` while no clock runs.
    pub due: Option<Instant>,
    /// Whether it is unsettled, and the last that went wrong was its deadline.
    pub expired: bool,
    /// When it was confirmed or given up, as far as that is remembered.
    pub settled_at: Option<Instant>,
    /// From the first sending to the confirmation, as far as that is remembered.
    pub latency: Option<Duration>,
    /// What went wrong, oldest first.
    pub failures: Vec<Failure>,
}

impl Delivery {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            sent_at: Some(record.sent_at),
            since: Some(record.since),
            due: record.due(),
            expired: record.is_expired(),
            failures: record.failures.iter().cloned().collect(),
            ..Self::bare(record.state(), record.attempt)
        }
    }

    /// A state about which nothing more is known.
    pub(super) fn bare(state: State, attempt: u32) -> Self {
        Self {
            state,
            attempt,
            sent_at: None,
            since: None,
            due: None,
            expired: false,
            settled_at: None,
            latency: None,
            failures: Vec::new(),
        }
    }
}
