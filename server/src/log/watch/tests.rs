use super::*;
use crate::log::NewEvent;
use ackwire::wire::{Epoch, EventType};
use serde_json::value::to_raw_value;

const LIMIT: PageLimit = PageLimit { events: 1_000, bytes: 1 << 30 };

fn stream(number: usize) -> StreamName {
    StreamName::new(&format!("run:{number}")).unwrap()
}

fn seq(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

fn range(after: u64, upto: u64) -> SeqRange {
    SeqRange::new(seq(after), seq(upto)).unwrap()
}

fn entries(seqs: std::ops::RangeInclusive<u64>, bytes: usize) -> Vec<Arc<Entry>> {
    let data = to_raw_value(&"x".repeat(bytes)).unwrap();
    seqs.map(|n| Arc::new(NewEvent::new(EventType::new("t").unwrap(), data.clone()).at(seq(n)))).collect()
}

fn tail(epoch: &str, oldest: u64, head: u64) -> Tail {
    let events = head + 1 - oldest;
    Tail { epoch: Epoch::new(epoch).unwrap(), oldest: seq(oldest), head: seq(head), ended: false, events, bytes: 0 }
}

fn moved(tail: Tail, entries: Vec<Arc<Entry>>) -> Moved {
    let before = entries.first().map_or(tail.head, |first| first.seq().before());
    Moved { stream: stream(1), tail, before, entries }
}

fn page(epoch: &str, oldest: u64, entries: Vec<Arc<Entry>>) -> Page {
    let upto = entries.last().unwrap().seq();
    Page { epoch: Epoch::new(epoch).unwrap(), oldest: seq(oldest), entries, upto, compacted: Vec::new() }
}

fn seqs(page: Option<Page>) -> Option<(Vec<u64>, u64)> {
    page.map(|page| (page.entries.iter().map(|entry| entry.seq().get()).collect(), page.upto.get()))
}

#[tokio::test]
async fn a_channel_lives_as_long_as_somebody_watches() {
    let watchers = Watchers::default();
    let bells: Vec<_> = (0..100).map(|_| Arc::new(Notify::new())).collect();
    let watched: Vec<_> =
        bells.iter().enumerate().map(|(at, bell)| watchers.watch(&stream(at), bell.clone())).collect();
    for number in 0..10_000 {
        drop(watchers.watch(&stream(number), Arc::new(Notify::new())));
    }
    assert_eq!(lock(&watchers.0.channels).len(), 100);
    for number in 0..100 {
        watchers.publish(Moved { stream: stream(number), ..moved(tail("e", 1, 0), vec![]) });
    }
    for bell in &bells {
        bell.notified().await;
    }
    drop(watched);
    assert!(lock(&watchers.0.channels).is_empty());
}

#[test]
fn who_watches_finds_what_was_appended_since_and_nothing_else() {
    let watchers = Watchers::default();
    let watch = watchers.watch(&stream(1), Arc::new(Notify::new()));
    assert!(watch.tail().is_none() && watch.read(range(0, 9), LIMIT).is_none());
    watchers.publish(moved(tail("e", 1, 5), entries(4..=5, 10)));
    watchers.publish(moved(tail("e", 1, 7), entries(6..=7, 10)));
    assert_eq!(watch.tail(), Some(tail("e", 1, 7)));
    assert_eq!(seqs(watch.read(range(3, 7), LIMIT)), Some((vec![4, 5, 6, 7], 7)));
    assert_eq!(seqs(watch.read(range(4, 6), LIMIT)), Some((vec![5, 6], 6)), "no more than is asked for");
    assert_eq!(seqs(watch.read(range(4, 7), PageLimit { events: 2, bytes: 1 << 20 })), Some((vec![5, 6], 6)));
    assert_eq!(seqs(watch.read(range(4, 7), PageLimit { events: 9, bytes: 1 })), Some((vec![5], 5)));
    assert_eq!(seqs(watch.read(range(6, 9), LIMIT)), Some((vec![7], 7)), "up to the head");
    assert_eq!(seqs(watch.read(range(2, 7), LIMIT)), None, "3 was appended before");
}

/// Whoever subscribes may have seen 9 in the log before the watch hears of it, and asks until it has it.
#[test]
fn what_the_watch_has_not_heard_of_is_read_in_the_log() {
    let watchers = Watchers::default();
    let watch = watchers.watch(&stream(1), Arc::new(Notify::new()));
    watchers.publish(moved(tail("e", 1, 7), entries(6..=7, 10)));
    assert_eq!(seqs(watch.read(range(7, 9), LIMIT)), None);
    assert_eq!(seqs(watch.read(range(8, 9), LIMIT)), None);
    watchers.publish(moved(tail("e", 1, 9), entries(8..=9, 10)));
    assert_eq!(seqs(watch.read(range(8, 9), LIMIT)), Some((vec![9], 9)));
}

#[test]
fn a_gap_another_epoch_and_a_trim_take_away_what_no_longer_holds() {
    let watchers = Watchers::default();
    let watch = watchers.watch(&stream(1), Arc::new(Notify::new()));
    watchers.publish(moved(tail("e", 1, 2), entries(1..=2, 10)));
    // 3 was not told of.
    watchers.publish(moved(tail("e", 1, 4), entries(4..=4, 10)));
    assert_eq!(seqs(watch.read(range(0, 4), LIMIT)), None);
    assert_eq!(seqs(watch.read(range(3, 4), LIMIT)), Some((vec![4], 4)));
    watchers.publish(moved(tail("e", 6, 6), entries(5..=6, 10)));
    assert_eq!(seqs(watch.read(range(4, 6), LIMIT)), None, "5 was trimmed");
    assert_eq!(seqs(watch.read(range(5, 6), LIMIT)), Some((vec![6], 6)));
    watchers.publish(moved(tail("f", 1, 6), vec![]));
    assert_eq!(seqs(watch.read(range(5, 6), LIMIT)), None, "another log has another 6");
}

#[test]
fn pages_are_kept_for_others_and_read_from_anywhere_in_them() {
    let watchers = Watchers::default();
    let watch = watchers.watch(&stream(1), Arc::new(Notify::new()));
    watchers.keep(&stream(1), seq(0), &page("e", 1, entries(1..=3, 10)));
    assert!(watch.read(range(0, 9), LIMIT).is_none(), "nobody else is there");
    let other = watchers.watch(&stream(1), Arc::new(Notify::new()));
    watchers.keep(&stream(1), seq(0), &page("e", 1, entries(1..=3, 10)));
    assert_eq!(seqs(other.read(range(0, 9), LIMIT)), Some((vec![1, 2, 3], 3)));
    assert_eq!(seqs(watch.read(range(1, 2), LIMIT)), Some((vec![2], 2)));
    assert_eq!(seqs(watch.read(range(3, 9), LIMIT)), None);
    // 2 goes, and with it the page.
    watchers.publish(moved(tail("e", 3, 9), entries(9..=9, 10)));
    assert_eq!(seqs(watch.read(range(2, 3), LIMIT)), None);
    watchers.keep(&stream(1), seq(0), &page("e", 1, entries(1..=3, 10)));
    watchers.keep(&stream(1), seq(3), &page("d", 3, entries(4..=5, 10)));
    watchers.keep(&stream(1), seq(8), &page("e", 3, entries(9..=9, 10)));
    let seen = entries(1..=3, 10).into_iter().chain(entries(9..=9, 10));
    let bytes: usize = seen.map(|entry| kept::bytes_of(&entry)).sum();
    assert_eq!(lock(&watchers.0.kept).bytes(), bytes, "neither what was trimmed, nor another log's, nor what is there");
}

#[test]
fn what_is_kept_is_bounded_over_all_streams_and_the_first_goes_first() {
    let watchers = Watchers::default();
    let watches: Vec<_> = (0..4).map(|number| watchers.watch(&stream(number), Arc::new(Notify::new()))).collect();
    let _others: Vec<_> = (0..4).map(|number| watchers.watch(&stream(number), Arc::new(Notify::new()))).collect();
    let each = kept::bytes_of(&entries(1..=1, 100_000)[0]);
    let rounds = 3 * (kept::MAX_KEPT_BYTES / each / 4) as u64;
    for number in 1..=rounds {
        for at in 0..4 {
            let appended = Moved {
                stream: stream(at),
                ..moved(tail("e", 1, 1_000 + number), entries(1_000 + number..=1_000 + number, 100_000))
            };
            watchers.publish(appended);
            watchers.keep(&stream(at), seq(number), &page("e", 1, entries(number + 1..=number + 1, 100_000)));
            assert!(lock(&watchers.0.kept).bytes() <= kept::MAX_KEPT_BYTES);
        }
    }
    for watch in &watches {
        let head = 1_000 + rounds;
        assert_eq!(seqs(watch.read(range(head - 1, head), LIMIT)), Some((vec![head], head)), "the newest is there");
        assert!(watch.read(range(1_000, head), LIMIT).is_none(), "the oldest is not");
        assert!(watch.read(range(1, 2), LIMIT).is_none());
        assert_eq!(seqs(watch.read(range(rounds, rounds + 1), LIMIT)), Some((vec![rounds + 1], rounds + 1)));
        let held = lock(&watch.channel.recent).events();
        assert!(held * each <= kept::MAX_KEPT_BYTES, "{held} events");
    }
}
