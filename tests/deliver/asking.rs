//! Retries that the application sends itself.

use super::bench::{Bench, event};
use ackwire::deliver::{Config, State};
use ackwire::wire::From;

fn bench() -> Bench {
    let mut bench = Bench::with_config(1, Config { ask_for_retries: true, ..Config::default() });
    bench.subscribe(From::Start);
    bench
}

/// Time passes until the application is asked.
fn asked(bench: &mut Bench) -> (u64, u32) {
    loop {
        bench.next_timer();
        if let Some((seq, attempt)) = bench.feed.poll_retry() {
            return (seq.get(), attempt);
        }
    }
}

#[test]
fn the_application_is_asked_and_its_yes_counts_as_sent_again() {
    let mut bench = bench();
    bench.nack(1, 1);
    assert_eq!(asked(&mut bench), (1, 2));
    bench.feed.handle_retried(bench.now, (event(1).seq, 2), Ok(()));
    assert_eq!(bench.drain(), [""; 0], "the log's copy is not sent");
    assert_eq!((bench.state(1), bench.delivery(1).attempt), (State::Retrying, 2));
    assert_eq!(bench.feed.confirm(bench.now, &event(1)), Ok(true));
}

#[test]
fn a_retry_whose_send_failed_counted_as_a_success() {
    let mut bench = bench();
    bench.nack(1, 1);
    for attempt in 2..=4 {
        assert_eq!(asked(&mut bench), (1, attempt), "the next retry still happens");
        bench.feed.handle_retried(bench.now, (event(1).seq, attempt), Err("the model is gone"));
        assert_eq!(bench.feed.tracker().counters().retries, 0);
        assert_eq!(bench.delivery(1).failures.last().unwrap().message, "the model is gone");
    }
    assert_eq!((bench.drain(), bench.state(1)), (vec!["lost (0,1] failed".to_owned()], State::Dead));
}

#[test]
fn what_was_confirmed_while_the_application_was_asked_stays_confirmed() {
    let mut bench = bench();
    bench.nack(1, 1);
    asked(&mut bench);
    bench.ack(1);
    bench.feed.handle_retried(bench.now, (event(1).seq, 2), Err("too late"));
    assert_eq!(bench.state(1), State::Confirmed);
}

#[test]
fn who_comes_back_is_asked_for_anew() {
    let mut bench = bench();
    bench.nack(1, 1);
    asked(&mut bench);
    bench.feed.detach();
    bench.feed.handle_retried(bench.now, (event(1).seq, 2), Ok(()));
    bench.subscribe(super::bench::position(0));
    assert_eq!(bench.delivery(1).attempt, 2, "the page that is back was sent the log's copy");
}

/// The page has the event from the application, and its nack is here first.
#[test]
fn who_fails_an_attempt_before_the_application_says_that_it_is_sent_is_asked_for_the_next() {
    for outcome in [Ok(()), Err("it took too long")] {
        let mut bench = bench();
        bench.nack(1, 1);
        assert_eq!(asked(&mut bench), (1, 2));
        bench.nack(1, 2);
        bench.feed.handle_retried(bench.now, (event(1).seq, 2), outcome);
        assert_eq!((bench.state(1), bench.delivery(1).attempt), (State::Failed, 2));
        assert_eq!(bench.feed.tracker().counters().retries, 1);
        assert_eq!(asked(&mut bench), (1, 3), "the next one is asked for when it is due");
    }
}

/// More are due than the application is asked for at a time: this one has to wait.
#[test]
fn a_failure_that_is_said_again_takes_no_retry_back() {
    let mut bench = bench();
    bench.nack(1, 1);
    bench.wait(5);
    bench.nack(1, 1);
    assert_eq!(bench.feed.poll_retry(), Some((event(1).seq, 2)));
}

/// As above; the page has the attempt from elsewhere.
#[test]
fn a_failure_of_the_attempt_that_waits_to_be_asked_for_is_followed_by_the_next_when_that_is_due() {
    let mut bench = bench();
    bench.nack(1, 1);
    bench.wait(5);
    bench.nack(1, 2);
    assert_eq!(bench.feed.poll_retry(), None);
    assert_eq!(asked(&mut bench), (1, 3));
}

#[test]
fn a_failure_that_comes_after_its_deadline_is_no_reason_to_ask_again() {
    let mut bench = bench();
    assert_eq!(asked(&mut bench), (1, 2), "it was not confirmed in time");
    bench.nack(1, 1);
    assert_eq!(bench.state(1), State::Failed);
    bench.next_timer();
    assert_eq!(bench.feed.poll_retry(), None, "it was asked");
}
