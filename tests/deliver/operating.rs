//! What is done to events from outside of a connection, and dead letters in their second life: [AW-SEND-9].

use super::bench::{Bench, epoch, event, position, seq};
use ackwire::deliver::{MAX_REQUEUED, NotDone, State};
use ackwire::wire::{Confirm, From, Window};

/// Event 2 of 3 is a dead letter, and the consumer has acked past it.
fn with_a_dead_letter() -> Bench {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    assert_eq!(bench.nack_with(2, 1, false), ["lost (1,2] failed"]);
    bench.ack(3);
    bench
}

impl Bench {
    fn requeue(&mut self, n: u64) -> Vec<String> {
        self.feed.requeue(self.now, &event(n)).unwrap();
        self.drain()
    }

    fn confirm_requeued(&mut self, n: u64, attempt: u32) {
        let stream = self.feed.stream().clone();
        let confirm = Confirm { stream, epoch: epoch("one"), seq: seq(n), attempt };
        self.feed.handle_confirm(self.now, &confirm).unwrap();
        self.drain();
    }
}

#[test]
fn a_requeued_dead_letter_is_confirmed_by_its_own_confirmation_alone() {
    let mut bench = with_a_dead_letter();
    assert_eq!(bench.requeue(2), ["requeued (1,2] 2#2"]);
    assert_eq!((bench.state(2), bench.position()), (State::Retrying, 3), "it holds nobody's position up");
    bench.ack(3);
    assert_eq!(bench.state(2), State::Retrying, "the ack may have been on its way before the event was");
    bench.confirm_requeued(2, 1);
    assert_eq!(bench.state(2), State::Retrying, "the life before is over");
    bench.confirm_requeued(2, 2);
    bench.confirm_requeued(2, 2);
    let counters = *bench.feed.tracker().counters();
    assert_eq!((bench.state(2), counters.confirmed, counters.requeued), (State::Confirmed, 3, 1));
    assert_eq!(bench.feed.tracker().dead_letters().len(), 0);
}

/// The page has it from its second life, and its own position covers it: listed once more it would take a place in the window
/// that nobody has counted [AW-SEND-3].
#[test]
fn a_resend_leaves_out_what_was_confirmed_in_its_second_life() {
    for with_page in [true, false] {
        let mut bench = Bench::unhurried(6);
        bench.window.events = 4;
        bench.subscribe(From::Start);
        assert_eq!(bench.nack_with(2, 1, false), ["lost (1,2] failed", "events (4,5] 5"]);
        assert_eq!(bench.requeue(2), ["requeued (1,2] 2#2"]);
        if with_page {
            bench.confirm_requeued(2, 2);
        } else {
            assert_eq!(bench.feed.confirm(bench.now, &event(2)), Ok(true));
        }
        assert_eq!(bench.resend(&[(0, 4)]), ["events (0,4] 1 3 4"]);
        bench.ack(3);
        assert_eq!(bench.resend(&[(3, 5)]), ["events (3,5] 4 5"]);
    }
}

#[test]
fn a_requeued_dead_letter_has_all_its_retries_and_can_die_again() {
    let mut bench = with_a_dead_letter();
    bench.requeue(2);
    for attempt in 2..5 {
        assert_eq!(bench.nack(2, attempt), [""; 0]);
        assert_eq!(bench.next(), [format!("requeued (1,2] 2#{}", attempt + 1)]);
    }
    assert_eq!(bench.nack(2, 5), ["lost (1,2] failed"]);
    assert_eq!((bench.state(2), bench.feed.tracker().dead_letters().len()), (State::Dead, 1));
    assert_eq!(bench.requeue(2), ["requeued (1,2] 2#6"], "and be requeued again");
}

/// Events 1 and 3 went out at the same moment, and are due at the same.
#[test]
fn an_ack_past_a_requeued_event_leaves_its_deadline_running() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.nack_with(2, 1, false);
    bench.requeue(2);
    bench.ack(3);
    assert_eq!(bench.next(), ["requeued (1,2] 2#3"]);
}

#[test]
fn what_was_requeued_while_away_comes_when_the_consumer_is_back_and_survives_a_restart() {
    let mut bench = with_a_dead_letter();
    bench.feed.detach();
    assert_eq!(bench.requeue(2), [""; 0]);
    bench.restart();
    bench.subscribe(position(3));
    assert_eq!(bench.next(), ["requeued (1,2] 2#2"]);
    // The connection breaks before the confirmation: it comes again, with the attempt that it had [AW-SEND-8].
    assert_eq!(bench.subscribe(position(3)), ["subscribed after 3", "requeued (1,2] 2#2"]);
    bench.confirm_requeued(2, 2);
    assert_eq!(bench.subscribe(position(3)), ["subscribed after 3"]);
}

#[test]
fn a_page_that_reads_everything_anew_gets_a_requeued_event_once() {
    let mut bench = with_a_dead_letter();
    bench.requeue(2);
    let sent = bench.subscribe(From::Start);
    assert_eq!(sent, ["subscribed after 0", "events (0,3] 1 3", "requeued (1,2] 2#2"]);
}

#[test]
fn only_dead_letters_are_requeued_and_not_too_many() {
    let events = MAX_REQUEUED as u64 + 1;
    let mut bench = Bench::new(events);
    bench.subscribe(From::Start);
    assert_eq!(bench.feed.requeue(bench.now, &event(1)), Err(NotDone::NoDeadLetter));
    (1..=events).for_each(|n| drop(bench.nack_with(n, 1, false)));
    (1..events).for_each(|n| drop(bench.requeue(n)));
    assert_eq!(bench.feed.requeue(bench.now, &event(events)), Err(NotDone::TooMany));
}

#[test]
fn a_discarded_dead_letter_stays_dead() {
    let mut bench = with_a_dead_letter();
    bench.feed.discard(seq(2)).unwrap();
    assert_eq!(bench.feed.discard(seq(2)), Err(NotDone::NoDeadLetter));
    assert_eq!((bench.state(2), bench.feed.tracker().dead_letters().len()), (State::Dead, 0));
}

#[test]
fn an_event_is_confirmed_from_outside_once() {
    let mut bench = Bench::new(2);
    bench.window.events = 1;
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(true));
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(false));
    assert_eq!(bench.drain(), ["events (1,2] 2"], "the window is open again");
    assert_eq!(bench.feed.tracker().counters().confirmed, 1);
    // The page still holds it as failed, and says so when it comes back: it is not sent again.
    bench.feed.detach();
    assert_eq!(bench.subscribe(position(0)), ["subscribed after 0", "events (0,2] 2"]);
    bench.nack(1, 1);
    assert_eq!(bench.state(1), State::Confirmed);
}

#[test]
fn what_was_sent_before_a_restart_is_confirmed_and_failed_from_outside() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.restart();
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(true));
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(false));
    assert_eq!(bench.feed.fail_event(bench.now, &event(2), "the disk is full", false), Ok(()));
    assert_eq!((bench.state(1), bench.state(2), bench.state(3)), (State::Confirmed, State::Dead, State::Sent));
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 1", "lost (1,2] failed", "events (2,3] 3"]);
    assert_eq!(bench.feed.tracker().counters().sent, 3, "each once");
    assert_eq!(bench.feed.confirm(bench.now, &event(9)), Err(NotDone::UnknownEvent));
}

#[test]
fn an_event_is_failed_from_outside() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.feed.fail_event(bench.now, &event(1), "the disk is full", true).unwrap();
    assert_eq!(bench.state(1), State::Failed);
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
    bench.feed.fail_event(bench.now, &event(1), "still full", false).unwrap();
    assert_eq!(bench.drain(), ["lost (0,1] failed"]);
    bench.ack(2);
    assert_eq!(bench.feed.fail_event(bench.now, &event(2), "too late", true), Err(NotDone::Settled));
}

#[test]
fn an_event_has_its_own_deadline_and_retries() {
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    bench.append_event(ackwire::wire::Event { deadline_ms: Some(500), retries: Some(1), ..event(1) });
    bench.wait_ms(499);
    assert_eq!(bench.state(1), State::Sent);
    bench.wait_ms(1);
    assert!(bench.delivery(1).expired);
    // Another life of the server still knows.
    bench.restart();
    bench.subscribe(From::Resume);
    while bench.state(1) != State::Dead {
        bench.next();
    }
    let letter = bench.feed.tracker().dead_letters().next().unwrap();
    assert_eq!(letter.attempt, 2);
    assert_eq!(letter.failures.back().unwrap().message, "not confirmed within 500 ms");
    let none = ackwire::wire::Event { retries: Some(0), ..event(2) };
    bench.append_event(none);
    assert_eq!(bench.nack(2, 1), ["lost (1,2] failed"]);
}

#[test]
fn each_state_has_its_time() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    let sent_at = bench.now;
    bench.wait_ms(100);
    bench.nack(1, 1);
    let failed = bench.delivery(1);
    assert_eq!((failed.sent_at, failed.since), (Some(sent_at), Some(bench.now)));
    assert_eq!(failed.failures[0].at, bench.now.as_millis());
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
    let retrying = bench.delivery(1);
    assert_eq!((retrying.since, retrying.due), (failed.due, Some(bench.now + ackwire::base::Duration::from_secs(30))));
    bench.wait_ms(7);
    bench.ack(1);
    let confirmed = bench.delivery(1);
    assert_eq!((confirmed.since, confirmed.latency), (Some(bench.now), Some(bench.now - sent_at)));
    assert_eq!(bench.feed.tracker().counters().recovered, 1);
}

#[test]
fn what_somebody_else_has_confirmed_keeps_its_room_until_the_page_is_done_with_it() {
    let mut bench = Bench::new(2);
    bench.window = Window::new(1, 65_536).unwrap();
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1] 1"]);
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(true));
    assert_eq!(bench.drain(), [""; 0], "the page may still be at it");
    assert_eq!(bench.ack(1), ["events (1,2] 2"]);
    // And not for ever: a handler that hangs on it holds up nothing.
    assert_eq!(bench.feed.confirm(bench.now, &event(2)), Ok(true));
    bench.append([3]);
    assert_eq!(bench.wait(31), ["lost (1,2] failed", "events (2,3] 3"]);
    assert_eq!((bench.state(1), bench.state(2)), (State::Confirmed, State::Confirmed));
}

#[test]
fn a_page_that_comes_back_with_what_somebody_else_has_confirmed_is_not_left_hanging_on_it() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    (1..=3).for_each(|n| assert_eq!(bench.feed.confirm(bench.now, &event(n)), Ok(true)));
    bench.also = vec![(2, 3)];
    assert_eq!(bench.subscribe(position(0)), ["subscribed after 0", "events (0,3]"]);
    bench.try_ack(1, &[(2, 3)]).unwrap();
    assert_eq!(bench.wait(31), ["lost (1,2] failed"], "1 is done, 3 was said to be");
    assert_eq!(bench.wait(60), [""; 0], "once");
    assert_eq!(bench.state(2), State::Confirmed);
}
