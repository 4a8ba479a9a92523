//! The numbers for people.

use hdrhistogram::Histogram;
use prometheus::IntCounterVec;
use serde::Serialize;

use super::families::Families;

/// What became of events in this life of the server, of all streams and consumers. A *delivery* is one event for one
/// consumer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Events appended.
    pub tracked: u64,
    /// Deliveries sent, each counted at its first sending.
    pub sent: u64,
    /// Deliveries confirmed. More than `sent` if some were sent in an earlier life of the server.
    pub confirmed: u64,
    /// Those of them that had timed out or had been given up before.
    pub late: u64,
    /// Failures that consumers reported.
    pub failed: u64,
    /// Deadlines that passed.
    pub timeouts: u64,
    /// Sendings with a higher attempt.
    pub retries: u64,
    /// Deliveries confirmed on an attempt after the first.
    pub retries_succeeded: u64,
    /// Deliveries that failed for good.
    pub dead: u64,
    /// Ranges that consumers asked for again.
    pub resends: u64,
    /// Events appended again with an id that was known.
    pub duplicates: u64,
    /// Of the deliveries that came to an end, the share that ended with a confirmation: confirmed / (confirmed + dead),
    /// from 0 to 1. `null` before the first. What is still under way counts for neither side; one that was given up
    /// and confirmed after all counts for both.
    pub confirmation_rate: Option<f64>,
    /// The same, of critical events alone.
    pub critical_confirmation_rate: Option<f64>,
    /// How long confirmations took; `null` before the first.
    pub latency_ms: Option<Latency>,
}

/// Confirmation latencies in milliseconds, each from the first sending of its event, over all priorities; to three
/// digits, and at most a day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// How many confirmations.
    pub count: u64,
    /// Their arithmetic mean.
    pub average: f64,
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
}

impl Stats {
    pub(super) fn new(families: &Families, latencies: &Histogram<u64>) -> Self {
        let (confirmed, dead) = (sum(&families.confirmed), sum(&families.dead));
        let critical = |family: &IntCounterVec| family.with_label_values(&["critical"]).get();
        Self {
            tracked: sum(&families.tracked),
            sent: families.sent.get(),
            confirmed,
            late: families.late.get(),
            failed: families.failed.get(),
            timeouts: families.timeouts.get(),
            retries: families.retries.get(),
            retries_succeeded: families.retries_succeeded.get(),
            dead,
            resends: families.resends.get(),
            duplicates: families.duplicates.get(),
            confirmation_rate: rate(confirmed, dead),
            critical_confirmation_rate: rate(critical(&families.confirmed), critical(&families.dead)),
            latency_ms: Latency::new(latencies),
        }
    }
}

impl Latency {
    fn new(latencies: &Histogram<u64>) -> Option<Self> {
        (!latencies.is_empty()).then(|| Self {
            count: latencies.len(),
            average: latencies.mean(),
            min: latencies.min(),
            max: latencies.max(),
            p50: latencies.value_at_quantile(0.5),
            p99: latencies.value_at_quantile(0.99),
        })
    }
}

/// Never more than 1, whatever is counted.
fn rate(confirmed: u64, dead: u64) -> Option<f64> {
    let ended = confirmed + dead;
    (ended > 0).then(|| confirmed as f64 / ended as f64)
}

fn sum(family: &IntCounterVec) -> u64 {
    ["critical", "high", "normal", "low"].iter().map(|priority| family.with_label_values(&[priority]).get()).sum()
}
