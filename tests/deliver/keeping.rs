//! What outlives a connection, and a life of the server; and what it costs.

use super::bench::{Bench, epoch, position, seq};
use ackwire::base::Duration;
use ackwire::deliver::{MAX_DEAD_LETTERS, MAX_EXCEPTIONS, MAX_RECENT, State};
use ackwire::wire::{From, Nack};

#[test]
fn server_restart_with_the_same_log() {
    let mut bench = Bench::new(6);
    bench.subscribe(From::Start);
    bench.try_ack(1, &[(2, 3)]).unwrap();
    bench.nack_with(4, 1, false);
    bench.nack(5, 1);
    assert_eq!(bench.feed.tracker().unsettled(), 3);
    bench.restart();
    assert_eq!(bench.feed.tracker().unsettled(), 3, "2 and 6, which were just sent, and 5");
    let states = [1, 2, 3, 4, 5, 6].map(|n| bench.state(n));
    let expected = [State::Confirmed, State::Sent, State::Confirmed, State::Dead, State::Failed, State::Sent];
    assert_eq!(states, expected);
    assert_eq!(bench.delivery(5).failures[0].message, "failed on attempt 1");
    assert_eq!(bench.feed.tracker().counters().confirmed, 2);
    let sent = bench.subscribe(From::Resume);
    assert_eq!(sent, ["subscribed after 1", "events (1,3] 2", "lost (3,4] failed", "events (4,6] 5 6"]);
    assert_eq!(bench.next(), ["events (4,5] 5#2"], "its retry outlived the server");
    assert_eq!(bench.feed.tracker().unsettled(), 3, "what is sent again is counted once");
    bench.ack(6);
    assert_eq!(bench.feed.tracker().unsettled(), 0);
}

#[test]
fn what_was_sent_before_a_restart_may_be_settled_without_being_sent_again() {
    let mut bench = Bench::new(6);
    bench.subscribe(From::Start);
    bench.restart();
    assert_eq!(bench.feed.tracker().unsettled(), 6);
    bench.subscribe(position(4));
    assert_eq!(bench.feed.tracker().unsettled(), 2, "a position is a confirmation");
    bench.restart();
    bench.subscribe(From::Now);
    assert_eq!(bench.feed.tracker().unsettled(), 0, "the others were passed over");
}

#[test]
fn aw_send_2_a_client_hears_that_an_event_failed_for_good_once_that_is_durable() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    let epoch = bench.feed.tracker().epoch().clone();
    let nack =
        Nack { stream: bench.feed.stream().clone(), epoch, seq: seq(1), attempt: 1, error: "no".into(), retry: false };
    bench.feed.handle_nack(bench.now, &nack).unwrap();
    assert!(bench.feed.poll_transmit().is_none(), "not yet");
    let save = bench.feed.poll_save().expect("first it is saved");
    assert!(bench.feed.poll_transmit().is_none() && bench.feed.poll_save().is_none(), "not yet");
    bench.feed.handle_saved(save);
    assert_eq!(bench.drain(), ["lost (0,1] failed"]);
}

#[test]
fn aw_promise_a_client_hears_that_a_sent_event_is_lost_once_that_is_durable() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.trim(2);
    bench.now = bench.now + Duration::from_secs(5);
    bench.feed.handle_timeout(bench.now);
    bench.drain_frames();
    let request = bench.feed.poll_read().expect("its retry is due");
    let page = bench.page(request.range, 1, 1000);
    bench.feed.handle_page(bench.now, request.id, &page);
    assert!(bench.feed.poll_transmit().is_none(), "not yet");
    let save = bench.feed.poll_save().expect("first it is saved");
    bench.feed.handle_saved(save);
    assert_eq!(bench.drain(), ["lost (0,1] expired"]);
}

#[test]
fn a_save_of_the_old_log_does_not_pass_for_one_of_the_new() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    let stream = bench.feed.stream().clone();
    let nack =
        |epoch| Nack { stream: stream.clone(), epoch, seq: seq(1), attempt: 1, error: "no".into(), retry: false };
    bench.feed.handle_nack(bench.now, &nack(epoch("one"))).unwrap();
    let old = bench.feed.poll_save().expect("it is saved");
    bench.replace_log("two", 1);
    bench.subscribe(From::Resume);
    bench.feed.handle_nack(bench.now, &nack(epoch("two"))).unwrap();
    bench.feed.handle_saved(old);
    assert!(bench.feed.poll_transmit().is_none(), "not durable yet");
    let new = bench.feed.poll_save().expect("it is saved, too");
    bench.feed.handle_saved(new);
    assert_eq!(bench.drain(), ["lost (0,1] failed"]);
}

#[test]
fn what_another_life_of_the_server_has_sent_is_not_counted_again() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.restart();
    bench.subscribe(From::Resume);
    assert_eq!(bench.append([3]), ["events (2,3] 3"]);
    assert_eq!(bench.feed.tracker().counters().sent, 3);
}

#[test]
fn a_retry_is_not_held_up_by_a_clock_that_was_set_back() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.restart();
    bench.now = ackwire::base::Instant::from_millis(5);
    bench.subscribe(From::Resume);
    bench.next();
    assert!(bench.now.as_millis() <= 30_005, "{:?}", bench.now);
}

#[test]
fn confirmed_events_cost_a_range_however_many_there_are() {
    let size = |events: u64| {
        let mut bench = Bench::new(0);
        bench.subscribe(From::Start);
        for end in (1_000..=events).step_by(1_000) {
            bench.append(end - 999..=end);
            while bench.feed.sent_upto() != Some(super::bench::seq(end)) || bench.feed.outstanding() > 0 {
                bench.ack(bench.feed.sent_upto().unwrap().get());
            }
            bench.notices.clear();
            bench.trim(end + 1);
        }
        assert_eq!(bench.feed.tracker().counters().confirmed, events);
        (serde_json::to_string(&bench.feed.tracker().saved()).unwrap().len(), bench.feed.tracker().unsettled())
    };
    let (small, large) = (size(1_000), size(100_000));
    assert!(large.0 <= small.0 + 20, "only digits were added: {small:?} {large:?}");
}

#[test]
fn what_a_consumer_can_make_grow_is_bounded() {
    let events = 2 * MAX_EXCEPTIONS as u64 + 500;
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    for n in 1..=events {
        bench.append([n]);
        if n % 2 == 0 {
            bench.nack_with(n, 1, false)
        } else {
            bench.ack(n)
        };
    }
    assert_eq!(bench.feed.tracker().dead_letters().len(), MAX_DEAD_LETTERS);
    assert_eq!(bench.state(events), State::Dead);
    assert_eq!(bench.state(events - 1), State::Confirmed);
    assert!(bench.delivery(events - 1).latency.is_some() && bench.delivery(1).latency.is_none());
    assert!(serde_json::to_string(&bench.feed.tracker().saved()).unwrap().len() < 100_000);
    assert!(events > MAX_RECENT as u64);
    // The oldest were folded together, and nothing that failed is thereby called confirmed.
    assert_eq!(bench.state(2), State::Dead);
    assert_eq!(bench.position(), events);
    assert_eq!(bench.subscribe(position(events)), [format!("subscribed after {events}")]);
}
