//! The alerts that stand, and the last that stood.

use ackwire::{
    base::Instant,
    wire::{ConsumerId, EventId, Seq, SeqRange, StreamName},
};
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};

/// Most alerts that are remembered, those that are over included; they go first, and the oldest of each.
pub const MAX_ALERTS: usize = 256;
/// Most events of one alert that are told apart: beyond it an alert may be over while some are unconfirmed.
pub const MAX_SEQS: usize = 1024;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Critical events of a consumer are unconfirmed past their deadline. Over once all of them are confirmed, lost, or put
    /// away.
    CriticalUnconfirmed,
    /// A run has begun, is not over, and no event came for [`Thresholds::silence`](super::Thresholds). Over with its
    /// next event, or when its stream ends.
    RunSilent,
    /// A tool has been executing for longer than [`Thresholds::tool`](super::Thresholds). Over when it completes, or its
    /// run or stream ends.
    ToolSlow,
    /// `agent_completed` came without an `agent_started` before it. Nothing makes it good: it is over as it happens.
    RunUnstarted,
}

impl Condition {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::CriticalUnconfirmed, Self::RunSilent, Self::ToolSlow, Self::RunUnstarted];

    /// As in JSON, and as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CriticalUnconfirmed => "critical_unconfirmed",
            Self::RunSilent => "run_silent",
            Self::ToolSlow => "tool_slow",
            Self::RunUnstarted => "run_unstarted",
        }
    }
}

/// One crossing of a condition. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What is wrong.
    pub condition: Condition,
    /// Where.
    pub stream: StreamName,
    /// In which run; `None` for [`Condition::CriticalUnconfirmed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which tool; `None` for all but [`Condition::ToolSlow`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// For whom; `None` for all but [`Condition::CriticalUnconfirmed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerId>,
    /// Whose client that is; `None` without tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The event that it began with, if it is about events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Since when.
    pub since: u64,
    /// Until when; `None` while it stands.
    pub over: Option<u64>,
}

impl Alert {
    pub(super) fn new(now: Instant, condition: Condition, stream: &StreamName) -> Self {
        let (stream, since) = (stream.clone(), now.as_millis());
        Self { condition, stream, run: None, tool: None, consumer: None, subject: None, event: None, since, over: None }
    }

    /// Whether both are about the same matter.
    fn matches(&self, other: &Self) -> bool {
        let matter = |alert: &Self| (alert.condition, alert.run.clone(), alert.tool.clone(), alert.subject.clone());
        self.stream == other.stream && self.consumer == other.consumer && matter(self) == matter(other)
    }
}

/// Every alert, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    entries: VecDeque<Entry>,
    changes: VecDeque<Alert>,
}

#[derive(Clone, Debug)]
struct Entry {
    alert: Alert,
    /// The events that it is about, while they are unconfirmed.
    seqs: BTreeSet<Seq>,
}

impl Board {
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.entries.iter().map(|entry| &entry.alert)
    }

    pub fn poll_change(&mut self) -> Option<Alert> {
        self.changes.pop_front()
    }

    /// One that stands already gains an event at most.
    pub fn raise(&mut self, alert: Alert, seq: Option<Seq>) {
        if let Some(entry) = self.standing(&alert) {
            entry.seqs.extend(seq.filter(|_| entry.seqs.len() < MAX_SEQS));
            return;
        }
        if self.entries.len() == MAX_ALERTS {
            let first_over = self.entries.iter().position(|entry| entry.alert.over.is_some());
            self.entries.remove(first_over.unwrap_or(0));
        }
        self.changes.push_back(alert.clone());
        self.entries.push_back(Entry { alert, seqs: seq.into_iter().collect() });
    }

    /// It is over, if it stands.
    pub fn clear(&mut self, now: Instant, like: &Alert) {
        let Some(entry) = self.standing(like) else { return };
        entry.alert.over = Some(now.as_millis());
        let alert = entry.alert.clone();
        self.changes.push_back(alert);
    }

    /// Its events in the range are no longer unconfirmed: without any left, it is over.
    pub fn settle(&mut self, now: Instant, like: &Alert, range: SeqRange) {
        let Some(entry) = self.standing(like) else { return };
        entry.seqs.retain(|seq| !range.contains(*seq));
        if entry.seqs.is_empty() {
            self.clear(now, like);
        }
    }

    fn standing(&mut self, like: &Alert) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.alert.over.is_none() && entry.alert.matches(like))
    }
}
