//! What a client that misbehaves can make a feed remember.

use super::bench::{Bench, event, position, range, seq};
use ackwire::deliver::{
    Config, Entry, MAX_ERRORS, MAX_EXCEPTIONS, MAX_RECENT, MAX_REOPENED, MAX_RESENDS, MAX_SAID_AGAIN, MAX_SETTLED,
    State,
};
use ackwire::wire::{Event, From, Nack, Priority, Resend, Window};

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
fn positions_full_of_holes_do_not_pile_up() {
    let events = 3 * MAX_SETTLED as u64;
    let mut bench = Bench::new(events);
    // Each of its connections says of other events that they are applied, and is sent a small window.
    for first in (2..=events).step_by(128) {
        bench.also = (first..first + 128).step_by(2).map(|seq| (seq - 1, seq)).collect();
        bench.subscribe(position(0));
        let rest = 2 * bench.window.events as usize + MAX_RECENT;
        assert!(bench.feed.tracker().footprint() <= MAX_SETTLED + rest, "at {first}");
    }
    bench.also.clear();
    bench.subscribe(position(0));
    while bench.position() < events {
        bench.ack(bench.feed.sent_upto().unwrap().get());
    }
}

#[test]
fn confirmed_events_that_fail_again_do_not_pile_up() {
    let window = u64::from(Window::MAX_EVENTS);
    let mut bench = Bench::unhurried(3 * window);
    bench.window = Window { events: Window::MAX_EVENTS, bytes: Window::MAX_BYTES };
    bench.subscribe(position(3 * window));
    // Each of its connections goes further back, and fails a window of what was confirmed.
    for start in [2 * window, window] {
        bench.subscribe(position(start));
        for n in start + 1..=start + window {
            let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
            let nack = Nack { stream, epoch, seq: seq(n), attempt: 1, error: "no".into(), retry: true };
            bench.feed.handle_nack(bench.now, &nack).unwrap();
        }
    }
    assert_eq!(bench.feed.tracker().unsettled(), MAX_REOPENED);
    bench.subscribe(position(0));
    assert_eq!(bench.nack(1, 1)[0], "lost (0,1] failed", "the page need not wait for it");
    assert_eq!(bench.feed.tracker().unsettled(), MAX_REOPENED);
    assert_eq!(bench.state(1), State::Confirmed, "there was no room for it: it stays what it was");
    // Nor does one that nothing is heard of.
    assert_eq!(bench.state(2), State::Confirmed);
    assert!(bench.wait(31).contains(&"lost (1,2] failed".into()));
    assert_eq!(bench.state(2), State::Confirmed);
    // The largest input confirms all of it, with a notice for each.
    bench.notices.clear();
    bench.ack(3 * window);
    assert_eq!((bench.notices.len(), bench.feed.tracker().unsettled()), (MAX_REOPENED, 0));
}

#[test]
fn what_is_said_again_waits_up_to_its_bound() {
    // What a page fails again although it is over: passed over, or failed for good.
    for from in [From::Now, From::Start] {
        let mut bench = Bench::new(1);
        bench.subscribe(from.clone());
        if from == From::Start {
            bench.nack_with(1, 1, false);
        }
        for _ in 0..4 * MAX_SAID_AGAIN {
            let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
            let nack = Nack { stream, epoch, seq: seq(1), attempt: 1, error: "no".into(), retry: true };
            // The socket takes nothing meanwhile.
            bench.feed.handle_nack(bench.now, &nack).unwrap();
        }
        assert_eq!(bench.drain().len(), MAX_SAID_AGAIN, "{from:?}");
    }
}

#[test]
fn ranges_that_were_passed_over_are_told_apart_up_to_their_bound() {
    let events = 3 * MAX_EXCEPTIONS as u64;
    let mut bench = Bench::new(events);
    (2..=events).step_by(2).for_each(|n| bench.compact(n));
    bench.subscribe(From::Start);
    while bench.position() < events {
        bench.ack(bench.feed.sent_upto().unwrap().get());
    }
    let saved = serde_json::to_value(bench.feed.tracker().saved()).unwrap();
    assert_eq!(saved["skipped"].as_array().unwrap().len(), MAX_EXCEPTIONS);
    // The oldest were folded together, and nothing that was passed over is thereby called confirmed.
    assert_eq!([2, events].map(|n| bench.state(n)), [State::Skipped; 2]);
    assert_eq!(bench.state(events - 1), State::Confirmed);
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
    let mut bench = Bench::unhurried(events);
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
    let mut bench = Bench::unhurried(events);
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
fn an_honest_client_may_have_everything_reopened() {
    let [runs, is_replayed] = [Window::MAX_EVENTS; 2];
    assert_eq!(MAX_REOPENED, (runs + is_replayed) as usize);
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
    // What nobody reads to send it is looked for all the same: whoever asks for the event later finds it whole.
    let without = |field| {
        let mut json: serde_json::Value = serde_json::from_str(written.json()).unwrap();
        json.as_object_mut().unwrap().remove(field);
        Entry::from_json(&json.to_string()).is_err()
    };
    assert_eq!(["seq", "id", "type", "time", "data"].map(without), [true; 5]);
}

#[test]
fn an_entry_with_everything_is_read_as_the_log_writes_it_and_in_any_other_form() {
    let meta = [("run_id".to_owned(), "r".to_owned())].into();
    let everything = Event { priority: Priority::High, meta, deadline_ms: Some(5), retries: Some(0), ..event(7) };
    let written = Entry::new(everything);
    let rearranged = serde_json::from_str::<serde_json::Value>(written.json()).unwrap().to_string();
    assert_ne!(rearranged, written.json());
    for json in [written.json(), &rearranged] {
        let read = Entry::from_json(json).unwrap();
        assert_eq!((read.json(), read.event()), (json, written.event()));
        assert_eq!(format!("{:?}", read.head()), format!("{:?}", written.head()));
    }
}
