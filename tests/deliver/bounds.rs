//! What a client that misbehaves can make a feed remember.

use super::bench::{Bench, event, position, range};
use ackwire::deliver::{Config, Entry, MAX_ERRORS, MAX_EXCEPTIONS, MAX_RECENT, MAX_RESENDS, MAX_SETTLED};
use ackwire::wire::{From, Resend, Window};

#[test]
fn acks_full_of_holes_do_not_pile_up() {
    let events = 3 * MAX_SETTLED as u64;
    let mut bench = Bench::new(events);
    // After a position it may ack what this life of the server has not sent, and it acks every other event.
    bench.subscribe(position(0));
    for first in (2..=events).step_by(128) {
        let also: Vec<(u64, u64)> = (first..first + 128).step_by(2).map(|seq| (seq - 1, seq)).collect();
        bench.try_ack(0, &also).unwrap();
        // Besides the ranges: a small window of records, and the last confirmations.
        let rest = 2 * bench.window.events as usize + MAX_RECENT;
        assert!(bench.feed.tracker().footprint() <= MAX_SETTLED + rest, "at {first}");
    }
    // What was not taken note of is confirmed later, as any event.
    while bench.position() < events {
        bench.ack(bench.feed.sent_upto().unwrap().get());
    }
    assert_eq!(bench.feed.tracker().unsettled(), 0);
}

#[test]
fn a_window_of_holes_is_taken_note_of_in_full() {
    let events = u64::from(Window::MAX_EVENTS);
    let mut bench = Bench::new(events);
    bench.window = Window { events: Window::MAX_EVENTS, bytes: Window::MAX_BYTES };
    bench.subscribe(From::Start);
    for first in (2..=events).step_by(128) {
        let last = events.min(first + 126);
        let also: Vec<(u64, u64)> = (first..=last).step_by(2).map(|seq| (seq - 1, seq)).collect();
        bench.try_ack(0, &also).unwrap();
    }
    assert_eq!(bench.feed.outstanding() as u64, events / 2);
    assert_eq!(bench.feed.tracker().counters().confirmed, events / 2);
}

#[test]
fn ranges_that_are_asked_for_again_wait_up_to_their_bound() {
    let events = 4 * MAX_RESENDS as u64;
    let mut bench = Bench::new(events);
    bench.window = Window { events: Window::MAX_EVENTS, bytes: Window::MAX_BYTES };
    bench.subscribe(From::Start);
    for first in (2..=events).step_by(128) {
        let ranges = (first..first + 128).step_by(2).map(|seq| range((seq - 1, seq))).collect();
        let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
        // Nothing is read meanwhile: the socket is full.
        bench.feed.handle_resend(&Resend { stream, epoch, ranges }).unwrap();
    }
    assert_eq!(bench.feed.tracker().counters().resends, MAX_RESENDS as u64);
    assert_eq!(bench.drain().len(), MAX_RESENDS);
}

#[test]
fn the_failures_of_an_event_are_remembered_up_to_their_bound() {
    let mut bench = Bench::with_config(1, Config { retries: 100, ..Config::default() });
    bench.subscribe(From::Start);
    let tries = 3 * MAX_ERRORS as u32;
    for attempt in 1..=tries {
        bench.nack(1, attempt);
        bench.next();
    }
    let failures = bench.delivery(1).failures;
    assert_eq!(failures.len(), MAX_ERRORS);
    assert_eq!(failures.last().unwrap().attempt, tries);
}

#[test]
fn confirmations_by_others_are_remembered_up_to_their_bound() {
    let events = 3 * MAX_EXCEPTIONS as u64;
    let mut bench = Bench::new(events);
    bench.window = Window { events: Window::MAX_EVENTS, bytes: Window::MAX_BYTES };
    bench.subscribe(From::Start);
    for n in (2..=events).step_by(2) {
        assert_eq!(bench.feed.confirm(bench.now, &event(n)), Ok(true));
    }
    let saved = serde_json::to_value(bench.feed.tracker().saved()).unwrap();
    assert_eq!(saved["vouched"].as_array().unwrap().len(), MAX_EXCEPTIONS);
    assert_eq!(saved["settled"].as_array().unwrap().len() as u64, events / 2, "nothing confirmed is forgotten");
}

#[test]
fn what_is_on_its_way_is_told() {
    let mut bench = Bench::new(4);
    assert_eq!((bench.feed.outstanding_bytes(), bench.feed.resends()), (0, 0));
    bench.subscribe(From::Start);
    bench.ack(1);
    let bytes = |n| Entry::new(event(n)).bytes() as u64;
    assert_eq!(bench.feed.outstanding_bytes(), [2, 3, 4].map(bytes).iter().sum::<u64>());
    let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
    let ranges = vec![range((1, 2)), range((3, 4))];
    bench.feed.handle_resend(&Resend { stream, epoch, ranges }).unwrap();
    assert_eq!(bench.feed.resends(), 2);
    assert_eq!(bench.drain(), ["events (1,2] 2", "events (3,4] 4"]);
    assert_eq!(bench.feed.resends(), 0);
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    let (written, read) = (Entry::new(event(7)), Entry::from_json(Entry::new(event(7)).json()).unwrap());
    assert_eq!((read.json(), read.event()), (written.json(), written.event()));
    assert!(Entry::from_json("{}").is_err());
}
