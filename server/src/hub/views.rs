//! What became of events, for those who ask.

use ackwire::{
    deliver::{Counters, Failure, Reported, State, Tracker},
    wire::{ConsumerId, Epoch, Event, Seq, StreamName},
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

use super::{Hub, Selection, Slot, lock, parse};
use crate::log::{ConsumerKey, LogError};

/// What became of an event for one consumer. Times are milliseconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView {
    /// The name that the client chose.
    pub consumer: ConsumerId,
    /// Whose client it is; absent without tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
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
    /// When it was confirmed, as far as that is remembered.
    pub confirmed_at: Option<u64>,
    /// From the first sending to the confirmation, as far as that is remembered.
    pub latency_ms: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What went wrong, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// A consumer of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct ConsumerView {
    /// The name that the client chose.
    pub consumer: ConsumerId,
    /// Whose client it is; absent without tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it is connected and subscribed.
    pub connected: bool,
    /// The incarnation of the stream that the numbers are about.
    pub epoch: Epoch,
    /// The end of what it was sent.
    pub sent: Seq,
    /// The highest seq that it says it has heard of; the last known one if it is not connected.
    pub received: Seq,
    /// Up to here everything was handed to its application, or is accounted for otherwise, as it says; the last known one
    /// if it is not connected.
    pub delivered: Seq,
    /// Up to here everything is settled.
    pub confirmed: Seq,
    /// How many events it was sent and has not settled.
    pub unsettled: usize,
    /// What happened so far.
    pub counters: Counters,
}

impl ConsumerView {
    pub(super) fn new(key: &ConsumerKey, tracker: &Tracker, connected: bool) -> Self {
        let Reported { received, delivered } = tracker.reported().at_least(tracker.position());
        Self {
            consumer: key.consumer.clone(),
            subject: key.subject.clone(),
            connected,
            epoch: tracker.epoch().clone(),
            sent: tracker.sent_upto(),
            received,
            delivered,
            confirmed: tracker.position(),
            unsettled: tracker.unsettled(),
            counters: *tracker.counters(),
        }
    }
}

impl Hub {
    /// What became of an event, for each consumer of the stream.
    pub async fn status(&self, stream: &StreamName, event: &Event) -> Result<Vec<DeliveryView>, LogError> {
        let deliveries = self.selected(stream, event, &Selection::default()).await?;
        Ok(deliveries.into_iter().map(|(view, _)| view).collect())
    }

    /// What became of an event for those that are selected, and whether each is subscribed now. The event's own meta is
    /// not asked.
    pub async fn selected(
        &self,
        stream: &StreamName,
        event: &Event,
        selection: &Selection,
    ) -> Result<Vec<(DeliveryView, bool)>, LogError> {
        let views = self.each(stream, |key, tracker, is_subscribed| {
            if !selection.takes(key) {
                return None;
            }
            let delivery = tracker.delivery(event);
            let settled_at = delivery.settled_at.filter(|_| delivery.state == State::Confirmed);
            let view = DeliveryView {
                consumer: key.consumer.clone(),
                subject: key.subject.clone(),
                state: delivery.state,
                attempt: delivery.attempt,
                sent_at: delivery.sent_at.map(|at| at.as_millis()),
                since: delivery.since.map(|at| at.as_millis()),
                due_at: delivery.due.map(|at| at.as_millis()),
                confirmed_at: settled_at.map(|at| at.as_millis()),
                latency_ms: delivery.latency.map(|span| span.as_millis()),
                last_error: delivery.failures.last().map(|failure| failure.message.clone()),
                failures: delivery.failures,
            };
            Some((view, is_subscribed))
        });
        Ok(views.await?.into_iter().flatten().collect())
    }

    /// Every consumer of the stream, in the order of their names.
    pub async fn consumers(&self, stream: &StreamName) -> Result<Vec<ConsumerView>, LogError> {
        self.each(stream, ConsumerView::new).await
    }

    /// Those in memory as they are now, the others as they were saved, here or by another server.
    pub(super) async fn each<T>(
        &self,
        stream: &StreamName,
        view: impl Fn(&ConsumerKey, &Tracker, bool) -> T,
    ) -> Result<Vec<T>, LogError> {
        let saved = self.log.consumers(stream).await?;
        let live: Vec<Arc<Slot>> = lock(&self.slots).values().filter(|slot| slot.stream() == stream).cloned().collect();
        let mut elsewhere = Vec::new();
        if let Some(owners) = self.tenures.owners() {
            let keys: Vec<ConsumerKey> = saved.iter().map(|(key, _)| key.clone()).collect();
            elsewhere = owners.connected(stream, &keys).await?;
        }
        let mut views = BTreeMap::new();
        for (place, (key, text)) in saved.into_iter().enumerate() {
            if let Some(tracker) = parse(&text) {
                let is_connected = elsewhere.get(place).copied().unwrap_or_default();
                views.insert(key.clone(), view(&key, &tracker, is_connected));
            }
        }
        for slot in live {
            if let Some(seen) = slot.look(|tracker, connected| view(slot.key(), tracker, connected)) {
                views.insert(slot.key().clone(), seen);
            }
        }
        Ok(views.into_values().collect())
    }
}
