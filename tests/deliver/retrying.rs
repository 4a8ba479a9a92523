//! Deadlines, retries, giving up: [AW-SEND-1], [AW-SEND-2], [AW-SEND-8].

use super::bench::{Bench, event, position};
use ackwire::base::Duration;
use ackwire::deliver::{Notice, State};
use ackwire::wire::{Event, From};

#[test]
fn a_handler_that_throws_then_succeeds() {
    let mut bench = Bench::new(7);
    bench.subscribe(position(6));
    assert_eq!(bench.nack(7, 1), [""; 0]);
    assert_eq!(bench.state(7), State::Failed);
    assert_eq!(bench.next(), ["events (6,7] 7#2"], "[AW-ACK-5]");
    assert_eq!(bench.state(7), State::Retrying);
    bench.ack(7);
    let delivery = bench.delivery(7);
    assert_eq!((delivery.state, delivery.attempt), (State::Confirmed, 2));
}

#[test]
fn a_handler_that_never_settles_times_out_is_retried_three_times_and_is_given_up() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.try_ack(0, &[(1, 2)]).unwrap();
    for attempt in 2..=4 {
        let before = bench.now;
        assert_eq!(bench.next(), [format!("events (0,1] 1#{attempt}")]);
        let waited = (bench.now - before).as_millis();
        let most = 30_000 + (1_000 << (attempt - 2));
        assert!((30_000..=most).contains(&waited), "the deadline, and up to {most} ms of backoff: {waited}");
    }
    assert_eq!(bench.next(), ["lost (0,1] failed"]);
    assert_eq!(bench.state(1), State::Dead);
    assert_eq!(bench.delivery(1).failures.len(), 4);
    assert_eq!(bench.position(), 2, "what is given up holds nothing up");
    bench.ack(2);
    assert_eq!(bench.feed.poll_timeout(), None, "nothing is left to wait for");
    let letter = bench.feed.tracker().dead_letters().next().unwrap();
    assert_eq!((letter.id.as_str(), letter.attempt), ("id-1", 4));
}

#[test]
fn a_failed_retry_fires_again() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
    bench.nack(1, 2);
    assert_eq!(bench.next(), ["events (0,1] 1#3"]);
    bench.nack(1, 3);
    assert_eq!(bench.next(), ["events (0,1] 1#4"]);
    assert_eq!(bench.nack(1, 4), ["lost (0,1] failed"]);
    let messages: Vec<_> = bench.delivery(1).failures.into_iter().map(|failure| failure.message).collect();
    assert_eq!(messages, [1, 2, 3, 4].map(|attempt| format!("failed on attempt {attempt}")));
}

#[test]
fn aw_ack_5_retry_false_gives_up_at_once() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    assert_eq!(bench.nack_with(2, 1, false), ["lost (1,2] failed"]);
    assert_eq!([1, 2, 3].map(|n| bench.state(n)), [State::Sent, State::Dead, State::Sent]);
    bench.ack(3);
    assert_eq!(bench.state(2), State::Dead, "a cumulative ack does not confirm what was given up");
    assert_eq!(bench.feed.tracker().counters().confirmed, 2);
}

#[test]
fn nack_of_an_older_attempt() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.next();
    bench.nack(1, 1);
    assert_eq!(bench.state(1), State::Retrying, "it is about the attempt before");
    bench.ack(1);
    bench.nack(1, 2);
    assert_eq!(bench.state(1), State::Confirmed, "nack of a confirmed event");
    assert_eq!(bench.feed.tracker().counters().failed, 1);
}

#[test]
fn a_nack_said_twice_counts_once() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.nack(1, 1);
    assert_eq!(bench.feed.tracker().counters().failed, 1);
    assert_eq!(bench.delivery(1).failures.len(), 1);
}

/// Found by the fuzzer: the deadline of the repeat went on, and when it passed the retry was forgotten.
#[test]
fn a_repeat_that_fails_has_the_deadline_of_its_retry_alone() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.ack(1);
    bench.subscribe(From::Start);
    bench.wait(28);
    bench.nack(1, 1);
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
    let sent = bench.wait(10);
    assert!(!sent.iter().any(|frame| frame.starts_with("events")), "{sent:?}");
    let failures = bench.delivery(1).failures;
    assert!(failures.len() == 1 && !failures[0].timed_out, "{failures:?}");
}

#[test]
fn what_the_handler_gives_up_after_the_deadline_is_not_retried() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.wait_ms(30_000);
    assert_eq!(bench.state(1), State::Timeout);
    assert_eq!(bench.nack_with(1, 1, false), ["lost (0,1] failed"]);
    assert_eq!(bench.state(1), State::Dead);
}

#[test]
fn what_the_handler_said_after_the_deadline_is_kept() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.wait_ms(30_000);
    assert_eq!(bench.state(1), State::Timeout);
    bench.feed.take_dirty();
    bench.nack(1, 1);
    assert!(bench.feed.take_dirty(), "it is to be saved");
    bench.restart();
    assert_eq!(bench.state(1), State::Failed);
    let said: Vec<String> = bench.delivery(1).failures.into_iter().map(|failure| failure.message).collect();
    assert_eq!(said, ["not confirmed within 30000 ms", "failed on attempt 1"]);
}

#[test]
fn a_nack_of_what_was_never_sent_changes_nothing() {
    let mut bench = Bench::new(2);
    bench.window.events = 1;
    bench.subscribe(From::Start);
    assert_eq!(bench.nack(2, 1), [""; 0]);
    assert_eq!(bench.nack(99, 1), [""; 0]);
    assert_eq!((bench.state(2), bench.feed.tracker().counters().failed), (State::Pending, 0));
}

#[test]
fn aw_send_2_the_deadline_stops_while_the_consumer_is_away() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.wait(20);
    bench.feed.detach();
    assert_eq!(bench.feed.poll_timeout(), None);
    bench.wait(3_600);
    assert_eq!(bench.state(1), State::Sent);
    assert_eq!(
        bench.subscribe(From::Resume),
        ["subscribed after 0", "events (0,1] 1"],
        "[AW-SEND-8] the attempt it had"
    );
    bench.wait(29);
    assert_eq!(bench.state(1), State::Sent, "the deadline began anew");
    bench.wait(1);
    assert_eq!(bench.state(1), State::Timeout);
}

#[test]
fn a_deadline_is_noticed_when_it_is_due() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.wait_ms(29_999);
    assert_eq!(bench.state(1), State::Sent);
    bench.wait_ms(1);
    assert!(matches!(bench.notices.last(), Some(Notice::Timeout { attempt: 1, .. } | Notice::Retrying { .. })));
}

#[test]
fn early_and_late_timeouts_are_harmless() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    for _ in 0..10 {
        bench.feed.handle_timeout(bench.now);
        assert_eq!(bench.drain(), [""; 0]);
    }
    bench.now = bench.now + Duration::from_secs(1_000);
    bench.feed.handle_timeout(bench.now);
    bench.drain();
    assert_eq!(bench.feed.tracker().counters().timeouts, 1);
}

#[test]
fn what_awaits_its_retry_comes_again_on_resume_and_keeps_its_retry() {
    // [AW-SEND-8]: a page that was reloaded has not seen the event at all.
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.try_ack(1, &[(2, 3)]).unwrap();
    bench.nack(2, 1);
    bench.feed.detach();
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 1", "events (1,3] 2"]);
    // A page that lived on repeats its nack [AW-ACK-6]: it counts once.
    bench.nack(2, 1);
    assert_eq!(bench.feed.tracker().counters().failed, 1);
    assert_eq!(bench.next(), ["events (1,2] 2#2"]);
    bench.ack(3);
    assert_eq!(bench.position(), 3);
}

#[test]
fn a_nack_of_what_the_log_has_lost_is_answered_with_lost_again() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.nack(2, 1);
    bench.compact(2);
    assert_eq!(bench.next(), ["lost (1,2] compacted"]);
    // The client held it behind a gap, delivered it after all, and its handler failed.
    assert_eq!(bench.nack(2, 1), ["lost (1,2] compacted"]);
    bench.ack(3);
    assert_eq!(bench.state(2), State::Skipped);
}

#[test]
fn what_was_passed_over_and_is_sent_after_all_is_retried() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.subscribe(From::Now), ["subscribed after 2"]);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"]);
    assert_eq!(bench.nack(2, 1), [""; 0], "it is not lost: it is on its way");
    assert_eq!(bench.next(), ["events (1,2] 2#2"]);
}

#[test]
fn a_retry_that_fell_due_while_away_is_what_comes_on_resume() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.feed.detach();
    bench.wait(60);
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 0", "events (0,2] 1#2 2"]);
    assert_eq!(bench.wait(20), [""; 0]);
}

#[test]
fn who_comes_back_is_told_again_what_was_given_up() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.nack_with(2, 1, false);
    bench.feed.detach();
    let sent = bench.subscribe(position(1));
    assert_eq!(sent, ["subscribed after 1", "lost (1,2] failed", "events (2,3] 3"]);
    bench.feed.detach();
    // It may have reloaded before it heard that, and have kept nothing.
    let sent = bench.subscribe(From::Resume);
    assert_eq!(sent, ["subscribed after 1", "lost (1,2] failed", "events (2,3] 3"]);
    bench.ack(2);
    bench.feed.detach();
    let sent = bench.subscribe(From::Resume);
    assert_eq!(sent, ["subscribed after 2", "events (2,3] 3"]);
}

#[test]
fn who_comes_back_is_told_again_what_the_log_has_lost() {
    let mut bench = Bench::new(4);
    bench.trim(3);
    let lost = ["subscribed after 2 lost (0,2] expired", "events (2,4] 3 4"];
    assert_eq!(bench.subscribe(From::Resume), lost);
    // It may have reloaded before it heard that, and have kept nothing.
    bench.feed.detach();
    assert_eq!(bench.subscribe(From::Resume), lost);
    bench.ack(2);
    bench.feed.detach();
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 2", "events (2,4] 3 4"]);
}

#[test]
fn from_start_gives_a_dead_event_another_life() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack_with(1, 1, false);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"]);
    assert_eq!(bench.nack(1, 1), ["lost (0,1] failed"], "given up still");
    bench.subscribe(From::Start);
    bench.ack(2);
    assert_eq!((bench.state(1), bench.feed.tracker().dead_letters().len()), (State::Confirmed, 0));
}

#[test]
fn what_is_applied_as_its_retry_falls_due_is_not_sent_again() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.now = bench.now + Duration::from_secs(1);
    bench.feed.handle_timeout(bench.now);
    assert_eq!(bench.ack(1), ["mark 2"]);
}

/// As what is dead and sent once more by a replay.
#[test]
fn a_failure_is_not_told_again_while_the_event_has_another_life() {
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    bench.append_event(Event { deadline_ms: Some(120_000), ..event(1) });
    bench.nack_with(1, 1, false);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1] 1"]);
    assert_eq!(bench.wait(100), [""; 0]);
}

#[test]
fn what_is_told_again_begins_a_new_silence() {
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    bench.append_event(event(1));
    bench.nack_with(1, 1, false);
    bench.wait_ms(300);
    bench.append_event(Event { deadline_ms: Some(120_000), ..event(2) });
    let sent = bench.wait_ms(35_000);
    let told = sent.iter().position(|(_, frame)| frame == "lost (0,1] failed").expect("told again");
    assert_eq!(sent[told + 1], (sent[told].0 + 1_000, "mark 2".to_owned()));
}

#[test]
fn neighbours_that_are_due_travel_together() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    for n in [2, 3, 5] {
        bench.nack(n, 1);
    }
    bench.now = bench.now + Duration::from_secs(1);
    bench.feed.handle_timeout(bench.now);
    let sent = bench.drain();
    assert_eq!(sent, ["mark 5", "events (1,3] 2#2 3#2", "events (4,5] 5#2"]);
}

#[test]
fn a_retry_of_what_the_log_no_longer_holds_is_lost() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.trim(2);
    assert_eq!(bench.next(), ["lost (0,1] expired"]);
    bench.nack(2, 1);
    bench.compact(2);
    assert_eq!(bench.next(), ["lost (1,2] compacted"]);
    assert_eq!((bench.state(1), bench.state(2)), (State::Skipped, State::Skipped));
    bench.ack(3);
    assert_eq!(bench.position(), 3);
}
