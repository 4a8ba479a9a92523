//! Where the server's parts tell what happens: counted in [`Metrics`], watched by the [`Detector`].

mod log;

pub(crate) use log::WatchedLog;

use ackwire::{
    base::Instant,
    deliver::Notice,
    wire::{EventId, Seq, StreamName},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

use crate::{
    alerts::{Alert, Condition, Detector, Doubt, Found, Sighting, Thresholds},
    clock,
    log::ConsumerKey,
    metrics::Metrics,
};

/// One for each server.
pub struct Monitor {
    metrics: Metrics,
    detector: Mutex<Detector>,
    /// The detector's timer may be another.
    is_stirred: Arc<Notify>,
}

impl Monitor {
    /// Nothing has happened.
    pub fn new(thresholds: Thresholds) -> Arc<Self> {
        Arc::new(Self {
            metrics: Metrics::default(),
            detector: Mutex::new(Detector::new(thresholds)),
            is_stirred: Arc::default(),
        })
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every alert that is remembered, the newest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.lock().alerts().rev().cloned().collect()
    }

    /// How many alerts stand, by condition.
    pub fn standing(&self) -> Vec<(&'static str, usize)> {
        let alerts = self.alerts();
        let count =
            |condition| alerts.iter().filter(|alert| alert.condition == condition && alert.over.is_none()).count();
        Condition::ALL.into_iter().map(|condition| (condition.as_str(), count(condition))).collect()
    }

    /// Something became of events for a consumer.
    pub fn observe(&self, stream: &StreamName, consumer: &ConsumerKey, notices: &[Notice]) {
        self.metrics.observe(notices);
        if notices.iter().any(Detector::is_concerned) {
            self.change(|detector, now| {
                notices.iter().for_each(|notice| detector.handle_notice(now, stream, consumer, notice));
            });
        }
    }

    fn has_started(&self, stream: &StreamName, run: &str) -> bool {
        self.lock().has_started(stream, run)
    }

    fn see(&self, stream: &StreamName, event: (Seq, EventId), sighting: Sighting, began: bool) {
        self.change(|detector, now| detector.handle_event(now, stream, event, sighting, began));
    }

    fn see_end(&self, stream: &StreamName) {
        self.change(|detector, now| detector.handle_end(now, stream));
    }

    fn doubts(&self, now: Instant) -> Vec<Doubt> {
        self.lock().doubts(now)
    }

    fn see_look(&self, doubt: &Doubt, upto: Seq, found: Vec<Found>) {
        self.change(|detector, now| detector.handle_look(now, doubt, upto, found));
    }

    fn pass(&self, now: Instant) {
        self.change(|detector, _| detector.handle_timeout(now));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().poll_timeout()
    }

    fn change(&self, change: impl FnOnce(&mut Detector, Instant)) {
        let mut detector = self.lock();
        let due = detector.poll_timeout();
        change(&mut detector, clock::now());
        while let Some(alert) = detector.poll_change() {
            tell(&alert);
        }
        if detector.poll_timeout() != due {
            self.is_stirred.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Detector> {
        // The detector's state is consistent between any two of its calls.
        self.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names and numbers, never a payload.
fn tell(alert: &Alert) {
    let Alert { condition, stream, run, tool, consumer, event, .. } = alert;
    let (condition, run, tool) = (condition.as_str(), run.as_deref(), tool.as_deref());
    let (consumer, event) = (consumer.as_ref().map(|name| name.as_str()), event.as_ref().map(|id| id.as_str()));
    match alert.over {
        None => tracing::warn!(condition, %stream, run, tool, consumer, event, "alert"),
        Some(over) => {
            let ms = over.saturating_sub(alert.since);
            tracing::info!(condition, %stream, run, tool, consumer, event, ms, "alert is over");
        }
    }
}
