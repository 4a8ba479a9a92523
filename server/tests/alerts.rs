//! When somebody should look, on virtual time: the same moments as numbers, no clock, no log.

use ackwire::{
    base::{Duration, Instant},
    deliver::Notice,
    wire::{ConsumerId, EventId, LostRange, LostReason, Priority, Seq, StreamName},
};
use ackwire_server::{
    alerts::{
        Alert, Condition, Detector, Doubt, Found, Kind, MAX_ALERTS, MAX_RUN_BYTES, MAX_RUNS, MAX_SEQS, MAX_TOOL_BYTES,
        MAX_TOOLS, Sighting, Thresholds,
    },
    log::ConsumerKey,
};

/// A detector and what it said.
struct Watch {
    detector: Detector,
    /// The newest event's seq.
    next: u64,
}

impl Watch {
    fn begin() -> Self {
        Self { detector: Detector::new(Thresholds::default()), next: 0 }
    }

    fn event(&mut self, at: u64, run: &str, kind: Kind) {
        self.next += 1;
        let sighting = Sighting { run: run.into(), kind };
        self.detector.handle_event(secs(at), &stream(), (seq(self.next), id("e")), sighting, false);
    }

    fn notice(&mut self, at: u64, consumer: &str, notice: Notice) {
        let key = ConsumerKey { subject: None, consumer: ConsumerId::new(consumer).unwrap() };
        self.detector.handle_notice(secs(at), &stream(), &key, &notice);
    }

    /// Lets time pass as a shell would: from timer to timer.
    fn pass(&mut self, until: u64) {
        while let Some(due) = self.detector.poll_timeout().filter(|due| *due <= secs(until)) {
            self.detector.handle_timeout(due);
        }
    }

    /// Each alert that was raised (`+`) or is over (`-`) since the last call, with the second.
    fn said(&mut self) -> Vec<String> {
        let line = |alert: Alert| {
            let subject = alert.tool.or(alert.run).or(alert.consumer.map(|name| name.to_string())).unwrap_or_default();
            match alert.over {
                None => format!("{} +{} {subject}", alert.since / 1000, alert.condition.as_str()),
                Some(over) => format!("{} -{} {subject}", over / 1000, alert.condition.as_str()),
            }
        };
        std::iter::from_fn(|| self.detector.poll_change()).map(line).collect()
    }
}

fn secs(at: u64) -> Instant {
    Instant::from_millis(at * 1000)
}

fn stream() -> StreamName {
    StreamName::new("run:1").unwrap()
}

fn id(name: &str) -> EventId {
    EventId::new(name).unwrap()
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn timeout(number: u64, priority: Priority) -> Notice {
    let retry_in = Duration::from_secs(1);
    Notice::Timeout { seq: seq(number), id: id("e"), priority, attempt: 1, retry_in }
}

fn confirmed(number: u64) -> Notice {
    let latency = Duration::from_secs(31);
    let priority = Priority::Critical;
    Notice::Confirmed { seq: seq(number), id: id("e"), priority, attempt: 2, latency, late: true }
}

fn executing(call: &str, tool: &str) -> Kind {
    Kind::ToolExecuting { call: call.into(), tool: tool.into() }
}

fn completed(call: &str) -> Kind {
    Kind::ToolCompleted { call: call.into() }
}

#[test]
fn a_run_that_falls_silent_is_told_once_and_until_it_speaks() {
    let mut watch = Watch::begin();
    watch.event(0, "a", Kind::Started);
    watch.event(20, "a", Kind::Working);
    watch.pass(49);
    assert_eq!(watch.said(), [""; 0], "29 s are not 30");
    watch.pass(600);
    assert_eq!(watch.said(), ["50 +run_silent a"], "once");
    watch.event(601, "a", Kind::Other);
    watch.pass(640);
    assert_eq!(watch.said(), ["601 -run_silent a", "631 +run_silent a"], "and once for the next time");
    watch.event(641, "a", Kind::Completed);
    watch.pass(10_000);
    assert_eq!(watch.said(), ["641 -run_silent a"], "nothing is awaited of a run that is over");
    assert_eq!(watch.detector.poll_timeout(), None, "and it is forgotten");
}

#[test]
fn an_error_or_the_end_of_its_stream_ends_a_run() {
    let mut watch = Watch::begin();
    watch.event(0, "a", Kind::Started);
    watch.event(0, "b", Kind::Started);
    watch.event(0, "b", executing("1", "read"));
    watch.event(1, "a", Kind::Broken);
    watch.pass(70);
    assert_eq!(watch.said(), ["30 +run_silent b", "60 +tool_slow read"]);
    watch.detector.handle_end(secs(71), &stream());
    assert_eq!(watch.said(), ["71 -run_silent b", "71 -tool_slow read"]);
}

#[test]
fn a_tool_that_takes_long_is_told_until_it_completes() {
    let mut watch = Watch::begin();
    watch.event(0, "a", Kind::Started);
    watch.event(0, "a", executing("1", "read"));
    watch.event(10, "a", executing("2", "search"));
    for at in (20..=60).step_by(20) {
        watch.event(at, "a", Kind::Working);
        watch.pass(at);
    }
    assert_eq!(watch.said(), ["60 +tool_slow read"]);
    watch.event(65, "a", completed("2"));
    watch.event(66, "a", completed("1"));
    assert_eq!(watch.said(), ["66 -tool_slow read"], "the other took 55 s");
}

#[test]
fn what_others_have_appended_is_looked_for_before_anything_is_told() {
    let mut watch = Watch::begin();
    watch.event(0, "a", Kind::Started);
    watch.event(0, "a", executing("1", "read"));
    assert_eq!(watch.detector.doubts(secs(29)), [], "nothing is due");
    let doubt = Doubt { stream: stream(), run: "a".into(), after: Seq::ZERO };
    assert_eq!(watch.detector.doubts(secs(30)), std::slice::from_ref(&doubt));
    let found = |number, at: u64, kind| Found {
        seq: seq(number),
        time: at * 1000,
        sighting: Sighting { run: "a".into(), kind },
    };
    // What is known already is found once more.
    let elsewhere = vec![found(1, 0, Kind::Started), found(2, 0, executing("1", "read")), found(3, 20, completed("1"))];
    watch.detector.handle_look(secs(30), &doubt, seq(3), elsewhere);
    watch.pass(49);
    assert_eq!(watch.said(), [""; 0], "it spoke at 20 s, and its tool is done");
    watch.pass(100);
    assert_eq!(watch.said(), ["50 +run_silent a"]);

    let doubt = Doubt { after: seq(3), ..doubt };
    assert_eq!(watch.detector.doubts(secs(105)), std::slice::from_ref(&doubt), "while it stands the log is looked at");
    watch.detector.handle_look(secs(105), &doubt, seq(4), vec![found(4, 103, executing("2", "search"))]);
    assert_eq!(watch.said(), ["105 -run_silent a"]);
    watch.detector.handle_look(secs(110), &doubt, seq(5), vec![found(5, 50, Kind::Completed)]);
    watch.pass(1_000);
    assert_eq!(watch.said(), [""; 0], "it is over, whatever its producer's clock says");
}

#[test]
fn a_run_that_completes_without_having_started_is_told() {
    let mut watch = Watch::begin();
    watch.event(0, "a", Kind::Completed);
    watch.event(1, "b", Kind::Working);
    watch.event(2, "b", Kind::Completed);
    watch.event(3, "c", Kind::Started);
    watch.event(4, "c", Kind::Completed);
    let begun = Sighting { run: "d".into(), kind: Kind::Completed };
    watch.detector.handle_event(secs(5), &stream(), (seq(6), id("e")), begun, true);
    let said = watch.said();
    assert_eq!(said, ["0 +run_unstarted a", "0 -run_unstarted a", "2 +run_unstarted b", "2 -run_unstarted b"]);
}

/// [AW-SEND-2]
#[test]
fn critical_events_past_their_deadline_are_told_until_all_are_confirmed() {
    let mut watch = Watch::begin();
    watch.notice(30, "tab", timeout(1, Priority::High));
    watch.notice(30, "tab", timeout(2, Priority::Critical));
    watch.notice(31, "tab", timeout(3, Priority::Critical));
    watch.notice(62, "tab", timeout(2, Priority::Critical));
    watch.notice(63, "other", timeout(2, Priority::Critical));
    assert_eq!(watch.said(), ["30 +critical_unconfirmed tab", "63 +critical_unconfirmed other"], "once each");
    watch.notice(64, "tab", confirmed(3));
    watch.notice(65, "tab", confirmed(1));
    assert_eq!(watch.said(), [""; 0], "one is still unconfirmed");
    watch.notice(66, "tab", confirmed(2));
    assert_eq!(watch.said(), ["66 -critical_unconfirmed tab"]);
    let lost = LostRange { after: Seq::ZERO, upto: seq(9), reason: LostReason::Expired };
    watch.notice(67, "other", Notice::Lost(lost));
    assert_eq!(watch.said(), ["67 -critical_unconfirmed other"], "what is gone cannot be confirmed");
}

#[test]
fn a_critical_event_that_failed_for_good_stays_an_alert() {
    let mut watch = Watch::begin();
    watch.notice(30, "tab", Notice::Dead { seq: seq(1), id: id("e"), priority: Priority::Critical, attempt: 1 });
    assert_eq!(watch.said(), ["30 +critical_unconfirmed tab"], "with no retries there was no timeout before");
    watch.notice(40, "tab", confirmed(1));
    assert_eq!(watch.said(), ["40 -critical_unconfirmed tab"], "another life can make it good");
    watch.notice(50, "tab", Notice::Dead { seq: seq(2), id: id("e"), priority: Priority::Critical, attempt: 1 });
    watch.notice(60, "tab", Notice::Discarded { seq: seq(2), id: id("e") });
    assert_eq!(watch.said(), ["50 +critical_unconfirmed tab", "60 -critical_unconfirmed tab"], "somebody has seen it");
}

#[test]
fn whatever_comes_it_stays_within_its_bounds() {
    let mut watch = Watch::begin();
    for run in 0..MAX_RUNS as u64 + 500 {
        watch.event(run / 1000, &format!("{run}"), Kind::Started);
    }
    for tool in 0..2 * MAX_TOOLS {
        watch.event(11, "last", executing(&format!("{tool}"), "read"));
    }
    watch.pass(100);
    let raised = watch.said().iter().filter(|line| line.contains(" +")).count();
    assert_eq!(raised, MAX_RUNS + 1, "each run that is watched, and one for the tools of the last by their name");
    assert_eq!(watch.detector.alerts().count(), MAX_ALERTS);
    assert!(watch.detector.alerts().any(|alert| alert.condition == Condition::ToolSlow), "the oldest go first");
}

#[test]
fn an_alert_tells_so_many_events_apart() {
    let mut watch = Watch::begin();
    let most = MAX_SEQS as u64;
    for number in 1..=most + 1 {
        watch.notice(30, "tab", timeout(number, Priority::Critical));
    }
    (1..most).for_each(|number| watch.notice(40, "tab", confirmed(number)));
    assert_eq!(watch.said(), ["30 +critical_unconfirmed tab"], "one that is told apart is left");
    watch.notice(50, "tab", confirmed(most));
    assert_eq!(watch.said(), ["50 -critical_unconfirmed tab"], "and one that is not");
}

#[test]
fn what_an_event_says_about_its_run() {
    let meta = [("run_id".to_owned(), "a".to_owned())].into();
    let sight = |event_type: &str, data: &str| {
        let data = serde_json::value::RawValue::from_string(data.into()).unwrap();
        Sighting::of(event_type, &meta, &data).unwrap().kind
    };
    assert_eq!(sight("agent_started", "null"), Kind::Started);
    assert_eq!(sight("agent_death", "null"), Kind::Broken);
    assert_eq!(sight("price_changed", "7"), Kind::Other);
    assert_eq!(sight("tool_executing", r#"{"call": 3, "tool": "read"}"#), executing("3", "read"));
    assert_eq!(sight("tool_executing", r#"{"tool": "read"}"#), executing("read", "read"));
    assert_eq!(sight("tool_completed", r#"{"call": "3"}"#), completed("3"));
    assert_eq!(sight("tool_completed", "\"done\""), completed(""), "data of another shape is one call without a name");
    let long = format!(r#"{{"tool": "{}"}}"#, "t".repeat(2 * MAX_TOOL_BYTES));
    let cut = "t".repeat(MAX_TOOL_BYTES);
    assert_eq!(sight("tool_executing", &long), executing(&cut, &cut), "a name is not remembered at any length");
    let too_long = [("run_id".to_owned(), "r".repeat(MAX_RUN_BYTES + 1))].into();
    assert_eq!(Sighting::of("agent_started", &too_long, serde_json::value::RawValue::NULL), None);
    let without = Default::default();
    let data = serde_json::value::RawValue::NULL;
    assert_eq!(Sighting::of("agent_started", &without, data), None, "an event of no run");
}
