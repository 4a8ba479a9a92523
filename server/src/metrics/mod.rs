//! What the server counts: for Prometheus as text ([`Metrics::render`]), for people as [`Stats`].
//!
//! Everything counts from the beginning of the process. What happens to events comes in two ways: numbers as the
//! differences of [`Counters`], which the core counts once each, and [`Notice`]s, which know priorities and latencies.

mod families;
mod stats;

pub use stats::{Latency, Stats};

use ackwire::{
    base::Duration,
    deliver::{Counters, Notice},
    wire::Priority,
};
use hdrhistogram::Histogram;
use prometheus::{Encoder, IntGauge, TextEncoder};
use std::sync::{Mutex, PoisonError};

use crate::hub::Depths;
use families::{Families, name};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Longest latency that is told apart from longer ones, in milliseconds: a day. Those count as it.
const MAX_LATENCY_MS: u64 = 24 * 60 * 60 * 1000;

/// Every number that the server counts. Cheap to update from everywhere.
pub struct Metrics {
    families: Families,
    /// Confirmation latencies in milliseconds, to three digits.
    latencies: Mutex<Histogram<u64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let latencies = Histogram::new_with_bounds(1, MAX_LATENCY_MS, 3).expect("these bounds are allowed");
        Self { families: Families::new(), latencies: Mutex::new(latencies) }
    }
}

impl Metrics {
    /// Something happened to events of a consumer: all that one message, or one moment, has brought.
    pub fn observe(&self, notices: &[Notice]) {
        // An ack confirms hundreds of events, and what they have in common is counted at once.
        for run in notices.chunk_by(|one, next| confirmed(one).is_some_and(|one| confirmed(next) == Some(one))) {
            match confirmed(&run[0]) {
                Some((priority, latency)) => self.observe_confirmed(priority, latency, run.len() as u64),
                None => self.observe_other(&run[0]),
            }
        }
        let retried = |notice: &&Notice| matches!(notice, Notice::Confirmed { attempt: 2.., .. });
        self.families.retries_succeeded.inc_by(notices.iter().filter(retried).count() as u64);
    }

    fn observe_confirmed(&self, priority: Priority, latency: Duration, events: u64) {
        let (families, ms) = (&self.families, latency.as_millis());
        families.confirmed.with_label_values(&[name(priority)]).inc_by(events);
        let histogram = families.latency.with_label_values(&[name(priority)]);
        match events {
            1 => histogram.observe(ms as f64 / 1000.0),
            _ => {
                let local = histogram.local();
                (0..events).for_each(|_| local.observe(ms as f64 / 1000.0));
                local.flush();
            }
        }
        self.lock().saturating_record_n(ms.min(MAX_LATENCY_MS), events);
    }

    fn observe_other(&self, notice: &Notice) {
        let families = &self.families;
        match notice {
            Notice::Confirmed { .. } => {}
            Notice::Dead { priority, .. } => families.dead.with_label_values(&[name(*priority)]).inc(),
            Notice::Lost(_) => families.lost.inc(),
            Notice::Failed { .. }
            | Notice::Timeout { .. }
            | Notice::Retrying { .. }
            | Notice::Discarded { .. }
            | Notice::EpochChanged => {}
        }
    }

    /// The counters of a consumer went from `before` to `after`.
    pub fn count(&self, before: &Counters, after: &Counters) {
        let families = &self.families;
        let pairs = [
            (&families.sent, before.sent, after.sent),
            (&families.late, before.late, after.late),
            (&families.failed, before.failed, after.failed),
            (&families.timeouts, before.timeouts, after.timeouts),
            (&families.retries, before.retries, after.retries),
            (&families.resends, before.resends, after.resends),
        ];
        for (counter, before, after) in pairs {
            counter.inc_by(after.saturating_sub(before));
        }
    }

    /// An event was appended: from here on what becomes of it is tracked.
    pub fn count_tracked(&self, priority: Priority, bytes: usize) {
        self.families.tracked.with_label_values(&[name(priority)]).inc();
        self.families.bytes_appended.inc_by(bytes as u64);
    }

    /// An event was appended whose id the stream had already.
    pub fn count_duplicate(&self) {
        self.families.duplicates.inc();
    }

    /// An append failed, or was refused.
    pub fn count_failed_append(&self) {
        self.families.append_failures.inc();
    }

    /// A frame came from a client.
    pub fn count_received(&self, bytes: usize) {
        self.families.bytes_received.inc_by(bytes as u64);
    }

    /// A frame was handed to a client's socket.
    pub fn count_written(&self, bytes: usize) {
        self.families.bytes_sent.inc_by(bytes as u64);
    }

    /// How many frames wait for clients' sockets.
    pub fn frames_waiting(&self) -> &IntGauge {
        &self.families.frames_waiting
    }

    /// Everything in Prometheus' text format (version 0.0.4). `alerts` are those that stand, by condition.
    pub fn render(&self, depths: &Depths, alerts: &[(&'static str, usize)]) -> String {
        self.families.set_depths(depths, alerts);
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.families.registry.gather(), &mut text);
        encoded.expect("every family has a metric, and a vector takes all text");
        String::from_utf8(text).expect("names and labels are UTF-8")
    }

    /// The same, summed up for people.
    pub fn stats(&self) -> Stats {
        Stats::new(&self.families, &self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Histogram<u64>> {
        // Recording a value does not panic half-way.
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The priority and the latency of a confirmation.
fn confirmed(notice: &Notice) -> Option<(Priority, Duration)> {
    match notice {
        Notice::Confirmed { priority, latency, .. } => Some((*priority, *latency)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ackwire::wire::Seq;

    #[test]
    fn a_latency_beyond_the_longest_counts_as_that() {
        let metrics = Metrics::default();
        let size = metrics.lock().distinct_values();
        for latency in [MAX_LATENCY_MS, 100 * MAX_LATENCY_MS, u64::MAX].map(Duration::from_millis) {
            let (seq, id) = (Seq::new(1).unwrap(), "e".parse().unwrap());
            let confirmed = Notice::Confirmed { seq, id, priority: Priority::Low, attempt: 1, latency, late: true };
            metrics.observe(&[confirmed]);
        }
        let histogram = metrics.lock();
        assert_eq!((histogram.len(), histogram.distinct_values()), (3, size), "it has not grown");
        assert_eq!(histogram.max(), histogram.highest_equivalent(MAX_LATENCY_MS));
        assert_eq!(histogram.min(), histogram.lowest_equivalent(MAX_LATENCY_MS));
    }
}
