//! Acks, nacks, confirmations: section 6 of `PROTOCOL.md`.

use super::bench::{Bench, epoch, position, seq};
use ackwire::base::Duration;
use ackwire::deliver::{Notice, State, Violation};
use ackwire::wire::{Ack, ConfirmStatus, EventConfirmation, From};

fn confirmation(id: &str, status: ConfirmStatus) -> EventConfirmation {
    EventConfirmation { event_id: id.parse().unwrap(), status, error: None }
}

#[test]
fn a_confirmation_has_its_times() {
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    assert_eq!(bench.state(1), State::Pending);
    bench.append([1]);
    let sent_at = bench.now;
    assert_eq!((bench.state(1), bench.delivery(1).settled_at), (State::Sent, None), "sent is not confirmed");
    bench.wait_ms(12);
    bench.ack(1);
    let delivery = bench.delivery(1);
    assert_eq!((delivery.state, delivery.attempt), (State::Confirmed, 1));
    assert_eq!((delivery.sent_at, delivery.settled_at), (Some(sent_at), Some(bench.now)));
    assert_eq!(delivery.latency, Some(Duration::from_millis(12)));
}

#[test]
fn confirm_twice_counts_once() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.ack(2);
    bench.ack(2);
    bench.try_ack(1, &[(1, 2)]).unwrap();
    assert!(bench.feed.handle_confirmation(bench.now, &confirmation("id-2", ConfirmStatus::Confirmed)));
    assert_eq!(bench.feed.tracker().counters().confirmed, 2);
    assert_eq!(bench.notices.iter().filter(|notice| matches!(notice, Notice::Confirmed { .. })).count(), 2);
}

#[test]
fn ack_lost_then_redelivery() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.feed.detach();
    // It applied 1 and 2; the ack got lost with the connection.
    assert_eq!(bench.subscribe(position(2)), ["subscribed after 2", "events (2,3] 3"]);
    // [AW-ACK-6] The client repeats the ack, too.
    bench.ack(2);
    assert_eq!(bench.feed.tracker().counters().confirmed, 2);
}

#[test]
fn aw_ack_4_ack_of_what_was_never_sent() {
    let mut bench = Bench::new(3);
    bench.window.events = 2;
    bench.subscribe(From::Start);
    for (field, upto, also) in [("upto", 3, vec![]), ("also", 0, vec![(2, 3)]), ("upto", 1_000, vec![])] {
        let violation = bench.try_ack(upto, &also).unwrap_err();
        let claimed = seq(also.last().map_or(upto, |range| range.1));
        assert_eq!(violation, Violation::AckBeyondSent { field, seq: claimed, sent_upto: seq(2) });
    }
    assert_eq!(bench.feed.tracker().counters().confirmed, 0, "a refused frame changes nothing");
    let stream = bench.feed.stream().clone();
    let ack = Ack::new(stream, epoch("two"), seq(1), vec![]);
    assert_eq!(bench.feed.handle_ack(bench.now, &ack), Err(Violation::OtherEpoch { frame: "ack" }));
    let also: Vec<_> = (0..65).map(|n| (n * 2, n * 2 + 1)).collect();
    assert!(matches!(bench.try_ack(0, &also), Err(Violation::TooManyRanges { .. })));
}

#[test]
fn a_crash_may_have_made_the_server_forget_what_it_sent() {
    let mut bench = Bench::new(3);
    bench.window.events = 1;
    // The client was sent 2 and 3 by the life before, which did not get to save that.
    assert_eq!(bench.subscribe(position(1)), ["subscribed after 1", "events (1,2] 2"]);
    assert_eq!(bench.ack(3), ["events (2,3]"], "applied: covered, not sent");
    assert_eq!(bench.position(), 3);
}

#[test]
fn aw_ack_7_the_simple_form_is_accepted_only_from_whom_it_was_sent_to() {
    let mut bench = Bench::new(2);
    bench.window.events = 1;
    bench.subscribe(From::Start);
    let now = bench.now;
    assert!(!bench.feed.handle_confirmation(now, &confirmation("id-2", ConfirmStatus::Confirmed)), "not sent yet");
    assert!(!bench.feed.handle_confirmation(now, &confirmation("nobody's", ConfirmStatus::Confirmed)));
    assert!(bench.feed.handle_confirmation(now, &confirmation("id-1", ConfirmStatus::Confirmed)));
    assert_eq!(bench.drain(), ["events (1,2] 2"]);
    assert!(bench.feed.handle_confirmation(now, &confirmation("id-2", ConfirmStatus::Failed)));
    assert_eq!(bench.state(2), State::Failed);
}

#[test]
fn confirmation_arriving_after_its_event_timed_out() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    let timed_out = |bench: &Bench| bench.state(1) == State::Timeout;
    while !timed_out(&bench) {
        bench.wait_ms(1);
    }
    bench.ack(1);
    assert_eq!(bench.state(1), State::Confirmed);
    let counters = bench.feed.tracker().counters();
    assert_eq!((counters.timeouts, counters.confirmed, counters.late), (1, 1, 1));
    assert_eq!(bench.wait(60), [""; 0], "it is not retried any more");
}

#[test]
fn marking_sent_after_confirming_does_not_set_it_back() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.ack(1);
    assert_eq!(bench.resend(&[(0, 1)]), ["events (0,1] 1"]);
    assert_eq!(bench.state(1), State::Confirmed);
    bench.subscribe(From::Start);
    assert_eq!(bench.state(1), State::Confirmed);
}

#[test]
fn an_ack_in_pieces_confirms_what_lies_in_them() {
    let mut bench = Bench::new(10);
    bench.subscribe(From::Start);
    bench.try_ack(2, &[(4, 6), (8, 9)]).unwrap();
    let confirmed: Vec<u64> = (1..=10).filter(|n| bench.state(*n) == State::Confirmed).collect();
    assert_eq!(confirmed, [1, 2, 5, 6, 9]);
    assert_eq!((bench.position(), bench.feed.tracker().unsettled()), (2, 5));
}

#[test]
fn a_replay_of_what_is_confirmed_may_fail_and_is_then_retried() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.ack(2);
    bench.subscribe(From::Start);
    assert_eq!(bench.nack(1, 1), [""; 0]);
    assert_eq!((bench.state(1), bench.position()), (State::Failed, 0));
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
    bench.ack(2);
    assert_eq!(bench.position(), 2);
}

#[test]
fn what_somebody_else_has_confirmed_is_not_reminded_of() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    assert!(bench.feed.handle_confirmation(bench.now, &confirmation("id-1", ConfirmStatus::Confirmed)));
    assert_eq!(bench.wait_ms(60_000), []);
}
