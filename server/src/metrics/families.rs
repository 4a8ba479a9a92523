//! Every metric with its name, its help and its labels.

use ackwire::wire::Priority;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use crate::{VERSION, hub::Depths};

/// Confirmation latencies are told apart at these, in seconds: from a page on the same machine to a tab that slept.
const LATENCY_BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

const PRIORITIES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

pub(super) struct Families {
    pub registry: Registry,
    pub tracked: IntCounterVec,
    pub duplicates: IntCounter,
    pub append_failures: IntCounter,
    pub bytes_appended: IntCounter,
    pub sent: IntCounter,
    pub confirmed: IntCounterVec,
    pub late: IntCounter,
    pub failed: IntCounter,
    pub timeouts: IntCounter,
    pub retries: IntCounter,
    pub retries_succeeded: IntCounter,
    pub dead: IntCounterVec,
    pub lost: IntCounter,
    pub resends: IntCounter,
    pub latency: HistogramVec,
    pub bytes_sent: IntCounter,
    pub bytes_received: IntCounter,
    pub frames_waiting: IntGauge,
    connections: IntGauge,
    feeds: IntGauge,
    feeds_attached: IntGauge,
    unsettled: IntGauge,
    unsaved: IntGauge,
    alerts: IntGaugeVec,
}

/// The priority as a label.
pub(super) fn name(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}

impl Families {
    pub fn new() -> Self {
        let registry = Registry::new();
        let build = gauge_vec(&registry, "ackwire_build_info", "The server's version; always 1.", "version");
        build.with_label_values(&[VERSION]).set(1);
        let counter = |name: &str, help: &str| add(&registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| add(&registry, IntGauge::new(name, help));
        let by_priority = |name: &str, help: &str| {
            let family = add(&registry, IntCounterVec::new(Opts::new(name, help), &["priority"]));
            // A series that is there from the beginning can be watched for its first increase.
            PRIORITIES.iter().for_each(|priority| drop(family.with_label_values(&[self::name(*priority)])));
            family
        };
        Self {
            tracked: by_priority("ackwire_events_tracked_total", "Events appended: what becomes of them is tracked."),
            duplicates: counter("ackwire_events_duplicate_total", "Events appended again with an id that was known."),
            append_failures: counter(
                "ackwire_append_failures_total",
                "Appends that failed or were refused by the log.",
            ),
            bytes_appended: counter("ackwire_bytes_appended_total", "Bytes of the data and meta of appended events."),
            sent: counter("ackwire_deliveries_sent_total", "Events sent to a consumer for the first time."),
            confirmed: by_priority("ackwire_deliveries_confirmed_total", "Events confirmed by a consumer."),
            late: counter(
                "ackwire_deliveries_late_total",
                "Events confirmed after they had timed out or been given up.",
            ),
            failed: counter("ackwire_deliveries_failed_total", "Failures that consumers reported."),
            timeouts: counter("ackwire_deliveries_timeout_total", "Deadlines that passed without a confirmation."),
            retries: counter("ackwire_deliveries_retries_total", "Sendings with a higher attempt."),
            retries_succeeded: counter(
                "ackwire_deliveries_retries_succeeded_total",
                "Events confirmed on an attempt after the first.",
            ),
            dead: by_priority("ackwire_deliveries_dead_total", "Events that failed for good for a consumer."),
            lost: counter("ackwire_deliveries_lost_total", "Ranges that the log no longer held for a consumer."),
            resends: counter("ackwire_resends_total", "Ranges that consumers asked for again."),
            latency: latency(&registry),
            bytes_sent: counter("ackwire_websocket_sent_bytes_total", "Bytes of text frames handed to sockets."),
            bytes_received: counter("ackwire_websocket_received_bytes_total", "Bytes of frames from clients."),
            frames_waiting: gauge("ackwire_websocket_frames_waiting", "Frames that wait for slow sockets."),
            connections: gauge("ackwire_connections", "Open WebSocket connections."),
            feeds: gauge("ackwire_feeds", "Pairs of stream and consumer in memory."),
            feeds_attached: gauge("ackwire_feeds_attached", "Those of them with a connection."),
            unsettled: gauge("ackwire_deliveries_unsettled", "Events sent and unsettled, of the pairs in memory."),
            unsaved: gauge("ackwire_feeds_unsaved", "Pairs whose state waits to be saved to the log."),
            alerts: gauge_vec(&registry, "ackwire_alerts", "Alerts that stand.", "condition"),
            registry,
        }
    }

    pub fn set_depths(&self, depths: &Depths, alerts: &[(&'static str, usize)]) {
        let gauges = [
            (&self.connections, depths.connections),
            (&self.feeds, depths.feeds),
            (&self.feeds_attached, depths.attached),
            (&self.unsettled, depths.unsettled),
            (&self.unsaved, depths.unsaved),
        ];
        gauges.into_iter().for_each(|(gauge, value)| gauge.set(value as i64));
        alerts.iter().for_each(|(condition, count)| self.alerts.with_label_values(&[condition]).set(*count as i64));
    }
}

fn latency(registry: &Registry) -> HistogramVec {
    let help = "From an event's first sending to its confirmation.";
    let options = HistogramOpts::new("ackwire_confirmation_latency_seconds", help).buckets(LATENCY_BUCKETS.into());
    let family = add(registry, HistogramVec::new(options, &["priority"]));
    for priority in PRIORITIES {
        let _: Histogram = family.with_label_values(&[name(priority)]);
    }
    family
}

fn gauge_vec(registry: &Registry, name: &str, help: &str, label: &str) -> IntGaugeVec {
    add(registry, IntGaugeVec::new(Opts::new(name, help), &[label]))
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("the names above are valid");
    registry.register(Box::new(collector.clone())).expect("the names above are distinct");
    collector
}
