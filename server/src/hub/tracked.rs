//! Lists of events by what became of them: pending, expired, dead letters.

use ackwire::{
    deliver::{Delivery, Failure, State, Tracker},
    wire::{ConsumerId, Event, EventId, EventType, Meta, Priority, Seq, SeqRange, StreamName},
};
use serde::Serialize;
use std::collections::BTreeSet;

use super::{Hub, lock};
use crate::{
    limits::MAX_LOOKED_AT,
    log::{ConsumerKey, LogError, PageLimit},
};

/// Most bytes of events that are read at a time.
const PAGE_BYTES: usize = 4 << 20;

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// In the log and not settled: not sent yet, sent, or to be retried.
    Pending,
    /// Pending, and the last that went wrong was the deadline.
    Expired,
    /// Failed for good, and neither requeued nor discarded.
    DeadLetters,
}

/// Whose events, and which of them. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The consumer's name.
    pub consumer: Option<ConsumerId>,
    /// The consumer's user; `Some(None)` for consumers without one.
    pub subject: Option<Option<String>>,
    /// The entries that the event's `meta` must have: `run_id`, `thread_id`, …
    pub meta: Meta,
}

impl Selection {
    /// Whether it takes this consumer's events.
    pub fn takes(&self, key: &ConsumerKey) -> bool {
        self.consumer.as_ref().is_none_or(|name| *name == key.consumer)
            && self.subject.as_ref().is_none_or(|subject| *subject == key.subject)
    }
}

/// An event and what became of it for one consumer. Times are milliseconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub struct TrackedView {
    /// The name that the client chose.
    pub consumer: ConsumerId,
    /// Whose client it is; absent without tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The event's place.
    pub seq: Seq,
    /// The event's id.
    pub id: EventId,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The event's priority.
    pub priority: Priority,
    /// The event's meta.
    #[serde(skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
    /// Where it stands.
    pub state: State,
    /// How often it was sent.
    pub attempt: u32,
    /// When it was first sent, as far as that is remembered.
    pub sent_at: Option<u64>,
    /// Since when it is in its state, as far as that is remembered.
    pub since: Option<u64>,
    /// When its deadline passes or its retry goes out; `None` while no clock runs.
    pub due_at: Option<u64>,
    /// What went wrong, oldest first.
    pub failures: Vec<Failure>,
}

impl TrackedView {
    fn new(key: &ConsumerKey, event: &Event, delivery: Delivery) -> Self {
        Self {
            consumer: key.consumer.clone(),
            subject: key.subject.clone(),
            seq: event.seq,
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            priority: event.priority,
            meta: event.meta.clone(),
            state: delivery.state,
            attempt: delivery.attempt,
            sent_at: delivery.sent_at.map(|at| at.as_millis()),
            since: delivery.since.map(|at| at.as_millis()),
            due_at: delivery.due.map(|at| at.as_millis()),
            failures: delivery.failures,
        }
    }
}

impl Listing {
    fn takes(self, delivery: &Delivery) -> bool {
        match self {
            Self::Pending => !matches!(delivery.state, State::Confirmed | State::Dead | State::Skipped),
            Self::Expired => delivery.expired,
            Self::DeadLetters => delivery.state == State::Dead,
        }
    }

    /// Where such events lie.
    fn ranges(self, tracker: &Tracker, head: Seq) -> Vec<SeqRange> {
        match self {
            Self::Pending => tracker.unsettled_ranges(head).collect(),
            Self::Expired => {
                let sent = tracker.unsettled_ranges(tracker.sent_upto().min(head));
                sent.collect()
            }
            Self::DeadLetters => tracker.dead_letters().filter_map(|letter| SeqRange::single(letter.seq)).collect(),
        }
    }
}

impl Hub {
    /// The streams that a consumer of this name has subscribed to, whoever's it is, in the order of their names: each is
    /// a stream to [`list`](Self::list).
    pub async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        let mut streams: BTreeSet<StreamName> = self.log.streams_of(consumer).await?.into_iter().collect();
        let live = lock(&self.slots);
        streams.extend(live.keys().filter(|(_, key)| key.consumer == *consumer).map(|(stream, _)| stream.clone()));
        Ok(streams.into_iter().collect())
    }

    /// Up to `limit` events of a stream, consumer by consumer in the order of their names, each consumer's in the order
    /// of the stream. An event that the log no longer holds is not listed.
    pub async fn list(
        &self,
        stream: &StreamName,
        listing: Listing,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<TrackedView>, LogError> {
        let Some(tail) = self.log.find_tail(stream).await? else { return Ok(Vec::new()) };
        let trackers = self.each(stream, |key, tracker, _| {
            let is_wanted = selection.takes(key) && *tracker.epoch() == tail.epoch;
            is_wanted.then(|| (key.clone(), tracker.clone()))
        });
        let mut listed = Vec::new();
        for (key, tracker) in trackers.await?.into_iter().flatten() {
            let mut looked_at = 0;
            let mut ranges = listing.ranges(&tracker, tail.head).into_iter();
            let mut rest = ranges.next();
            while let Some(range) = rest.filter(|_| looked_at < MAX_LOOKED_AT) {
                let page = PageLimit { events: limit.clamp(1, 1_000), bytes: PAGE_BYTES };
                let page = self.log.read(stream, range, page).await?;
                // A range of which the log holds nothing was looked at, too.
                looked_at += page.entries.len().max(1);
                for event in page.entries.iter().map(|entry| entry.event()) {
                    let delivery = tracker.delivery(event);
                    let has_meta = selection.meta.iter().all(|(key, value)| event.meta.get(key) == Some(value));
                    if has_meta && listing.takes(&delivery) {
                        listed.push(TrackedView::new(&key, event, delivery));
                    }
                    if listed.len() == limit {
                        return Ok(listed);
                    }
                }
                let upto = page.upto.max(range.after());
                rest = SeqRange::new(upto, range.upto()).filter(|_| upto > range.after()).or_else(|| ranges.next());
            }
        }
        Ok(listed)
    }
}
