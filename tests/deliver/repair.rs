//! Lost frames: [AW-SEND-6], [AW-SEND-7].

use super::bench::{Bench, position};
use ackwire::deliver::State;
use ackwire::wire::{Filter, From};

fn marks(at: &[u64], upto: u64) -> Vec<(u64, String)> {
    at.iter().map(|at| (*at, format!("mark {upto}"))).collect()
}

#[test]
fn resend_exact_ranges() {
    let mut bench = Bench::new(9);
    bench.subscribe(From::Start);
    assert_eq!(bench.resend(&[(1, 2), (4, 7)]), ["events (1,2] 2", "events (4,7] 5 6 7"]);
    assert_eq!(bench.feed.tracker().counters().resends, 2);
    assert_eq!(bench.feed.outstanding(), 9, "nothing is counted twice");
}

#[test]
fn a_resend_covers_only_what_was_sent() {
    let mut bench = Bench::new(5);
    bench.window.events = 3;
    bench.subscribe(From::Start);
    assert_eq!(bench.resend(&[(2, 5)]), ["events (2,3] 3"]);
    assert_eq!(bench.resend(&[(3, 5)]), [""; 0]);
}

#[test]
fn a_long_resend_comes_in_several_frames() {
    let mut bench = Bench::new(100);
    bench.subscribe(From::Start);
    let sent = bench.resend(&[(10, 90)]);
    let heads: Vec<&str> = sent.iter().map(|frame| frame.split(']').next().unwrap()).collect();
    assert_eq!(heads, ["events (10,74", "events (74,90"]);
}

#[test]
fn a_resend_does_not_raise_the_attempt_and_says_the_one_it_has() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.next();
    assert_eq!(bench.resend(&[(0, 2)]), ["events (0,2] 1#2 2"]);
    assert_eq!(bench.delivery(1).attempt, 2);
}

#[test]
fn a_resend_restarts_the_deadline() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.wait(25);
    bench.resend(&[(0, 1)]);
    assert_eq!(bench.wait(29), [""; 0]);
    assert_eq!(bench.feed.tracker().counters().timeouts, 0);
}

#[test]
fn a_resend_of_what_the_log_no_longer_holds_is_lost() {
    let mut bench = Bench::new(6);
    bench.subscribe(From::Start);
    bench.trim(4);
    assert_eq!(bench.resend(&[(1, 5)]), ["lost (1,3] expired", "events (3,5] 4 5"]);
    assert_eq!(bench.resend(&[(0, 1)]), ["lost (0,1] expired"]);
}

#[test]
fn a_resend_repeats_what_was_given_up_and_what_the_filter_excludes() {
    let mut bench = Bench::new(6);
    bench.filter = Some(Filter { types: Some(vec!["even".parse().unwrap()]), ..Filter::default() });
    bench.subscribe(From::Start);
    bench.nack_with(4, 1, false);
    assert_eq!(bench.resend(&[(0, 6)]), ["events (0,3] 2", "lost (3,4] failed", "events (4,6] 6"]);
}

#[test]
fn aw_send_7_the_tail_mark() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    assert_eq!(bench.wait_ms(25_000), marks(&[1_000, 3_000, 7_000, 15_000], 2));
    bench.ack(1);
    bench.append([3]);
    assert_eq!(bench.wait_ms(2_000), marks(&[1_000], 3), "an event begins the silence anew");
    bench.ack(3);
    assert_eq!(bench.wait_ms(60_000), [], "nothing is unsettled");
}

#[test]
fn aw_send_7_what_a_lost_frame_covered_beyond_its_last_event_shows_as_well() {
    let mut bench = Bench::new(2);
    bench.also = vec![(1, 2)];
    assert_eq!(bench.subscribe(position(0)), ["subscribed after 0", "events (0,2] 1"]);
    // That frame got lost. 1 came as a retry, `events (0,1] 1#2`, and 2 the client has applied before.
    bench.ack(1);
    assert_eq!(bench.wait_ms(2_000), marks(&[1_000], 2));
    bench.ack(2);
    assert_eq!(bench.wait_ms(60_000), []);
}

#[test]
fn aw_send_10_what_is_lost_is_said_again_until_an_ack_covers_it() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    let lost = |said: Vec<String>| said.into_iter().filter(|frame| frame.starts_with("lost")).collect::<Vec<_>>();
    bench.trim(3);
    assert_eq!(lost(bench.wait(31)), ["lost (0,1] expired", "lost (1,2] expired"], "no ack, and nothing to send again");
    // The client had 2 all the same, behind a gap, and its handler hangs.
    bench.try_ack(1, &[(2, 3)]).unwrap();
    assert_eq!(lost(bench.wait(31)), ["lost (1,2] expired"]);
    assert_eq!(lost(bench.wait(30)), ["lost (1,2] expired"], "and once in each deadline");
    bench.ack(3);
    assert_eq!(bench.wait(120), [""; 0]);
}

#[test]
fn aw_promise_what_compaction_took_is_lost_and_not_passed_over() {
    let mut bench = Bench::new(5);
    bench.compact(2);
    bench.compact(3);
    let sent = ["events (0,1] 1", "lost (1,2] compacted", "lost (2,3] compacted", "events (3,5] 4 5"];
    assert_eq!(bench.subscribe(From::Start)[1..], sent);
    assert_eq!(
        bench.resend(&[(0, 4)]),
        ["events (0,1] 1", "lost (1,2] compacted", "lost (2,3] compacted", "events (3,4] 4"]
    );
    bench.ack(5);
    assert_eq!((bench.position(), bench.state(2), bench.state(4)), (5, State::Skipped, State::Confirmed));
}
