//! The known faults of home-made trackers, each as a test of its name. Those of the sending browser are in
//! `tests/vectors/receive` (`publish_survives_a_reconnect`) and `js` (a full outbox refuses), and those of the log in
//! `server/tests/log_conformance.rs`.

use super::bench::{Bench, event, position, seq};
use ackwire::deliver::State;
use ackwire::wire::{ConfirmStatus, EventConfirmation, EventId, From};

fn confirmation(id: &str) -> EventConfirmation {
    EventConfirmation { event_id: EventId::new(id).unwrap(), status: ConfirmStatus::Confirmed, error: None }
}

#[test]
fn a_failed_retry_never_fires_again() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    for attempt in 1..=3 {
        bench.nack(1, attempt);
        assert_eq!(bench.next(), [format!("events (0,1] 1#{}", attempt + 1)]);
    }
}

#[test]
fn marking_sent_after_confirming_sets_it_back_to_pending() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.ack(1);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"], "it is sent once more");
    assert_eq!(bench.state(1), State::Confirmed);
}

#[test]
fn a_second_confirmation_counts_twice() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.ack(1);
    bench.ack(1);
    assert!(bench.feed.handle_confirmation(bench.now, &confirmation("id-1")));
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(false));
    let counters = bench.feed.tracker().counters();
    assert_eq!((counters.confirmed, counters.sent), (1, 1), "100 %, not more");
}

#[test]
fn timeouts_found_only_by_a_minutes_sweep() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    let sent_at = bench.now;
    while bench.feed.tracker().counters().timeouts == 0 {
        bench.now = bench.feed.poll_timeout().expect("a timer runs");
        bench.feed.handle_timeout(bench.now);
        bench.drain();
    }
    assert_eq!((bench.now - sent_at).as_millis(), 30_000, "at its very millisecond");
}

#[test]
fn pending_events_never_evicted_under_the_cap() {
    let mut bench = Bench::new(1_000);
    bench.subscribe(From::Start);
    assert_eq!(bench.feed.tracker().unsettled(), 256, "the window is the cap [AW-SEND-3]");
    assert_eq!(bench.state(1_000), State::Pending, "the log has what the window has no room for: nothing is evicted");
    while bench.position() < 1_000 {
        bench.ack(bench.feed.sent_upto().unwrap().get());
    }
    assert_eq!(bench.feed.tracker().counters().confirmed, 1_000);
}

#[test]
fn confirmation_accepted_from_someone_who_was_never_sent_the_event() {
    let mut bench = Bench::new(2);
    bench.window.events = 1;
    bench.subscribe(From::Start);
    assert!(!bench.feed.handle_confirmation(bench.now, &confirmation("id-2")), "[AW-ACK-7]");
    assert!(bench.feed.confirm(bench.now, &event(2)).is_err());
    assert!(bench.try_ack(2, &[]).is_err(), "[AW-ACK-4]");
    assert_eq!(bench.state(2), State::Pending);
}

#[test]
fn a_local_sent_counted_as_confirmed() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    assert_eq!((bench.state(1), bench.feed.tracker().counters().confirmed, bench.position()), (State::Sent, 0, 0));
}

#[test]
fn a_success_reported_as_an_error() {
    // Confirmed late: after its deadline, while the retry was waiting.
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    while bench.feed.tracker().counters().timeouts == 0 {
        bench.next_timer();
    }
    bench.ack(1);
    let counters = bench.feed.tracker().counters();
    assert_eq!((bench.state(1), counters.confirmed, counters.late, counters.failed), (State::Confirmed, 1, 1, 0));
}

#[test]
fn all_state_lost_on_restart() {
    let mut bench = Bench::new(4);
    bench.subscribe(From::Start);
    bench.ack(1);
    bench.nack(2, 1);
    bench.nack_with(3, 1, false);
    bench.restart();
    assert_eq!([1, 2, 3].map(|n| bench.state(n)), [State::Confirmed, State::Failed, State::Dead]);
    assert_eq!(bench.feed.tracker().counters().confirmed, 1);
    assert_eq!(bench.subscribe(position(1))[0], "subscribed after 1");
}

#[test]
fn an_unknown_id_is_an_explicit_error() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    assert!(!bench.feed.handle_confirmation(bench.now, &confirmation("nobody's")));
    assert!(bench.feed.confirm(bench.now, &event(9)).is_err());
    assert!(bench.feed.discard(seq(9)).is_err());
    assert_eq!(bench.feed.tracker().counters().confirmed, 0);
}

/// The structures are what memory there is: ranges, records, due times, and a ring of confirmations of bounded ids.
#[test]
fn a_million_confirmed_events_take_no_more_memory_than_a_thousand() {
    let weigh = |events: u64| {
        let mut bench = Bench::new(0);
        bench.subscribe(From::Start);
        for end in (1_000..=events).step_by(1_000) {
            bench.append(end - 999..=end);
            while bench.position() < end {
                bench.ack(bench.feed.sent_upto().unwrap().get());
            }
            bench.notices.clear();
            bench.trim(end + 1);
        }
        assert_eq!(bench.feed.tracker().counters().confirmed, events);
        bench.feed.tracker().footprint()
    };
    let (small, large) = (weigh(2_000), weigh(1_000_000));
    assert_eq!(small, large, "the ring is full after 1,024");
}
