//! What does not go well for a consumer.

use super::{DeadLetter, State, Tracker};
use crate::base::Instant;
use crate::wire::{EventId, Priority, Seq};

/// An event whose delivery has failed or timed out at least once, and that is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Troubled<'a> {
    /// Its place in the stream.
    pub seq: Seq,
    /// Its id.
    pub id: &'a EventId,
    /// Its priority.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// How often it was sent.
    pub attempt: u32,
    /// When the next thing is to happen to it; `None` if nothing is, or while the consumer is away.
    pub due: Option<Instant>,
    /// What went wrong last.
    pub last_error: Option<&'a str>,
}

impl Tracker {
    /// What does not go well: first what is unsettled, then what failed for good, each oldest first.
    pub fn troubled(&self) -> impl Iterator<Item = Troubled<'_>> {
        let open = self.open.iter().filter(|(_, record)| !record.failures.is_empty()).map(|(&seq, record)| Troubled {
            seq,
            id: &record.id,
            priority: record.priority,
            state: record.state(),
            attempt: record.attempt,
            due: record.due(),
            last_error: record.failures.back().map(|failure| failure.message.as_str()),
        });
        let dead = self.dead_letters().map(|DeadLetter { seq, id, priority, attempt, failures, .. }| Troubled {
            seq: *seq,
            id,
            priority: *priority,
            state: State::Dead,
            attempt: *attempt,
            due: None,
            last_error: failures.back().map(|failure| failure.message.as_str()),
        });
        open.chain(dead)
    }
}
