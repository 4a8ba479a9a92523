//! The durable form of a tracker.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::record::{DeadLetter, Failure, Phase, Record, State, Terms};
use super::{Counters, Reported, Tracker};
use crate::base::{Instant, RangeSet};
use crate::wire::{Epoch, EventId, Filter, Priority, Seq, SeqRange};

/// What a [`Tracker`] must not forget, for the shell to store.
///
/// Of events that were sent once and are just not settled yet it has no more than their seqs: they are sent again anyway,
/// with the same attempt. Times are milliseconds of the caller's clock, which therefore should count from the same zero in each life
/// of the server (1970, say).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    epoch: Epoch,
    sent_upto: Seq,
    settled: Vec<SeqRange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<SeqRange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dead: Vec<SeqRange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untold: Vec<SeqRange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    vouched: Vec<SeqRange>,
    /// Sent once and not settled. Absent in what an older version saved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    awaited: Vec<SeqRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    troubled: Vec<Troubled>,
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    dead_letters: VecDeque<DeadLetter>,
    /// Absent in what an older version saved.
    #[serde(default)]
    reported: Reported,
    counters: Counters,
}

/// An unsettled event that has failed, or timed out, at least once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Troubled {
    seq: Seq,
    id: EventId,
    priority: Priority,
    #[serde(default)]
    terms: Terms,
    attempt: u32,
    #[serde(default)]
    spent: u32,
    sent_at: u64,
    /// Absent in what an older version saved.
    #[serde(default)]
    since: Option<u64>,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_at: Option<u64>,
    failures: VecDeque<Failure>,
}

impl Tracker {
    /// The durable form.
    pub fn saved(&self) -> Saved {
        let (sent, troubled): (Vec<_>, Vec<_>) =
            self.open.iter().partition(|(_, record)| record.state() == State::Sent);
        let mut awaited = self.awaited.clone();
        sent.into_iter().filter_map(|(seq, _)| SeqRange::single(*seq)).for_each(|single| awaited.insert(single));
        Saved {
            epoch: self.epoch.clone(),
            sent_upto: self.sent_upto,
            settled: self.settled.iter().collect(),
            skipped: self.skipped.iter().collect(),
            dead: self.dead.iter().collect(),
            untold: self.untold.iter().collect(),
            vouched: self.vouched.iter().collect(),
            awaited: awaited.iter().collect(),
            filter: self.filter.clone(),
            troubled: troubled.into_iter().map(|(seq, record)| Troubled::of(*seq, record)).collect(),
            dead_letters: self.dead_letters.clone(),
            reported: self.reported,
            counters: self.counters,
        }
    }

    /// As it was saved, with no connection attached.
    pub fn from_saved(saved: Saved) -> Self {
        let settled: RangeSet = saved.settled.into_iter().collect();
        let troubled =
            saved.troubled.into_iter().filter(|troubled| troubled.spent > 0 || !settled.contains(troubled.seq));
        let open = troubled.map(|troubled| (troubled.seq, troubled.into_record())).collect();
        Self {
            sent_upto: saved.sent_upto,
            settled,
            skipped: saved.skipped.into_iter().collect(),
            dead: saved.dead.into_iter().collect(),
            untold: saved.untold.into_iter().collect(),
            vouched: saved.vouched.into_iter().collect(),
            awaited: saved.awaited.into_iter().collect(),
            open,
            filter: saved.filter,
            dead_letters: saved.dead_letters,
            reported: saved.reported,
            counters: saved.counters,
            ..Self::new(saved.epoch)
        }
    }
}

impl Troubled {
    fn of(seq: Seq, record: &Record) -> Self {
        let retry_at = match record.phase {
            Phase::Waiting { retry_at, .. } => Some(retry_at.as_millis()),
            Phase::Unsettled { .. } => None,
        };
        let Record { id, priority, terms, attempt, spent, since, sent_at, failures, .. } = record.clone();
        let (since, sent_at) = (Some(since.as_millis()), sent_at.as_millis());
        Self { seq, id, priority, terms, attempt, spent, sent_at, since, state: record.state(), retry_at, failures }
    }

    fn into_record(self) -> Record {
        let phase = match self.retry_at {
            Some(at) => Phase::Waiting { timed_out: self.state == State::Timeout, retry_at: Instant::from_millis(at) },
            None => Phase::Unsettled { deadline: None },
        };
        let Self { id, priority, terms, attempt, spent, sent_at, since, failures, .. } = self;
        let since = Instant::from_millis(since.unwrap_or(sent_at));
        let sent_at = Instant::from_millis(sent_at);
        Record { id, priority, terms, attempt, spent, since, sent_at, phase, failures }
    }
}
