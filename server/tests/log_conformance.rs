//! What every log must do, run against each of them.

mod support;

use ackwire::wire::{ConsumerId, EventId, EventType, Meta, Priority, Seq, SeqRange, StreamName};
use ackwire_server::limits::{MAX_CONSUMERS, MAX_STREAMS_OF_CONSUMER};
use ackwire_server::log::{ConsumerKey, Log, LogError, MemoryLog, NewEvent, Page, PageLimit, Retention, SqliteLog};
use futures_util::FutureExt;
use serde_json::value::RawValue;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use support::{redis::Redis, run::Run};
use tempfile::TempDir;
use tokio::sync::Notify;

/// A log, and how to open it anew.
struct Place {
    keeper: Keeper,
    retention: Retention,
}

/// What keeps the events.
enum Keeper {
    Process,
    Folder(TempDir),
    Redis(Redis),
}

impl Place {
    fn open(&self) -> Arc<dyn Log> {
        match &self.keeper {
            Keeper::Process => Arc::new(MemoryLog::new(self.retention.clone())),
            Keeper::Folder(folder) => Arc::new(SqliteLog::open(folder.path(), self.retention.clone()).unwrap()),
            Keeper::Redis(redis) => Arc::new(redis.log(self.retention.clone())),
        }
    }

    fn outlives_the_log(&self) -> bool {
        !matches!(self.keeper, Keeper::Process)
    }
}

/// Runs `$test` against every log, with a retention.
macro_rules! conformance {
    ($($test:ident($retention:expr)),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Place { keeper: super::Keeper::Process, retention: $retention }).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let keeper = super::Keeper::Folder(tempfile::tempdir().unwrap());
                super::$test(super::Place { keeper, retention: $retention }).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let Some(redis) = super::Redis::start() else { return };
                super::$test(super::Place { keeper: super::Keeper::Redis(redis), retention: $retention }).await;
            })*
        }
    };
}

conformance! {
    keeps_order_and_data(super::Retention::default()),
    an_id_is_appended_once(super::Retention::default()),
    concurrent_producers_share_one_order(super::Retention::default()),
    pages_cover_what_they_say(super::Retention::default()),
    an_ended_stream_takes_no_more(super::Retention::default()),
    a_refused_append_leaves_nothing(super::Retention::default()),
    streams_are_listed_by_name(super::Retention::default()),
    looking_does_not_create(super::Retention::default()),
    watchers_wake(super::Retention::default()),
    watchers_see_what_the_log_holds(super::Retention::default()),
    consumers_are_kept_apart(super::Retention::default()),
    consumers_of_an_answer_are_bounded(super::Retention::default()),
    more_at_once_than_any_queue_holds(super::Retention::default()),
    keeps_the_newest_events(super::Retention { events: Some(10), ..super::Retention::default() }),
    keeps_within_bytes(super::Retention { bytes: Some(1000), ..super::Retention::default() }),
    keeps_what_is_young(super::Retention { age: Some(super::HOUR), consumers: Some(super::HOUR), ..super::Retention::default() }),
    a_seq_is_never_given_twice(super::Retention { events: Some(1), age: Some(super::HOUR), ..super::Retention::default() }),
}

const HOUR: Duration = Duration::from_secs(3600);

/// Longer than [`HOUR`] from now.
fn hours_later() -> u64 {
    ackwire_server::clock::unix_ms() + 2 * HOUR.as_millis() as u64
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn event(id: &str, data: &str) -> NewEvent {
    NewEvent {
        id: EventId::new(id).unwrap(),
        event_type: EventType::new("tool_completed").unwrap(),
        time: 1_700_000_000_000,
        data: RawValue::from_string(data.into()).unwrap(),
        priority: Priority::Normal,
        meta: Meta::new(),
        deadline_ms: None,
        retries: None,
    }
}

fn events(ids: impl IntoIterator<Item = u64>) -> Vec<NewEvent> {
    ids.into_iter().map(|id| event(&id.to_string(), "1")).collect()
}

const PAGE: PageLimit = PageLimit { events: 100, bytes: 1 << 20 };

/// [AW-SEQ], [AW-EVENT]
async fn keeps_order_and_data(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    let mut rich = event("größe \"1\"", r#"{ "text": "größe 🦀", "n": 1e400, "lone": "\ud800" }"#);
    rich.priority = Priority::Critical;
    rich.meta = Meta::from([("run_id".into(), "ü".into())]);
    assert_eq!(run.append(vec![event("a", "null"), rich.clone()]).await.unwrap(), [(1, false), (2, false)]);

    let page = run.read(0, 9, PAGE).await;
    assert_eq!((&page.epoch, page.upto, page.oldest), (&run.epoch().await, run.seq(2), seq(1)));
    assert_eq!(run.numbers(&page), [1, 2]);
    let kept = page.entries[1].event();
    assert_eq!((&kept.id, &kept.meta, kept.priority), (&rich.id, &rich.meta, rich.priority));
    let data: [&str; 2] = [page.entries[0].event().data.get(), kept.data.get()];
    assert_eq!(data[0], "null");
    for piece in [r#""n": 1e400"#, r#""lone": "\ud800""#] {
        assert!(data[1].contains(piece), "{} has {piece}", data[1]);
    }
    assert!(page.entries[1].json().is_ascii());
    assert_eq!(log.find(&run.name, &rich.id).await, Ok(Some(run.seq(2))));
    assert_eq!(log.find(&run.name, &EventId::new("b").unwrap()).await, Ok(None));
}

/// [AW-EVENT]: an id is unique in its stream; [AW-PUB-1]
async fn an_id_is_appended_once(place: Place) {
    let log = place.open();
    let (run, other) = (Run::of(&log, "run:1"), Run::of(&log, "run:2"));
    assert_eq!(run.append(events([7, 8, 7])).await.unwrap(), [(1, false), (2, false), (1, true)]);
    assert_eq!(run.append(events([8, 9])).await.unwrap(), [(2, true), (3, false)]);
    assert_eq!(other.append(events([7])).await.unwrap(), [(1, false)], "another stream has ids of its own");
    assert_eq!(run.tail().await, (1, 3, 3));
}

async fn concurrent_producers_share_one_order(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    let producers = (0..8u64).map(|producer| {
        let (log, run) = (log.clone(), run.clone());
        tokio::spawn(async move {
            let mut last = Seq::ZERO;
            for n in 0..25 {
                // Every second one is sent by two producers.
                let id = if n % 2 == 0 { producer * 100 + n } else { (producer / 2) * 1000 + 500 + n };
                let placed = log.append(&run, events([id])).await.unwrap().events.remove(0);
                assert!(placed.duplicate || placed.seq > last, "a producer's own events keep their order");
                last = last.max(placed.seq);
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    let all = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
    let page = log.read(&run, all, PageLimit { events: 1000, ..PAGE }).await.unwrap();
    let seqs: BTreeSet<Seq> = page.entries.iter().map(|entry| entry.event().seq).collect();
    assert!(page.entries.iter().map(|entry| &entry.event().seq).eq(&seqs), "ascending, each once");
    assert_eq!(seqs.len(), 8 * 13 + 4 * 12);
    assert_eq!(log.tail(&run).await.unwrap().events, seqs.len() as u64);
}

/// Whoever finds a queue full waits, and is answered.
async fn more_at_once_than_any_queue_holds(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    let appended = futures_util::future::join_all((0..3_000).map(|id| run.append(events([id])))).await;
    assert!(appended.iter().all(|appended| appended.is_ok()));
    let read = futures_util::future::join_all((0..500).map(|after| run.read(after, 3_000, PAGE))).await;
    assert!(read.iter().zip(1..).all(|(page, first)| page.entries[0].event().seq == run.seq(first)));
    assert_eq!(run.tail().await, (1, 3_000, 3_000));
}

async fn consumers_of_an_answer_are_bounded(place: Place) {
    let log = place.open();
    let key = |name: String| ConsumerKey { subject: None, consumer: ConsumerId::new(&name).unwrap() };
    let saves = (0..=MAX_CONSUMERS).map(|n| (stream("run:1"), key(format!("tab-{n}")), "state".to_owned()));
    log.save_consumers(saves.collect()).await.unwrap();
    assert_eq!(log.consumers(&stream("run:1")).await.unwrap().len(), MAX_CONSUMERS);
    let saves = (0..=MAX_STREAMS_OF_CONSUMER).map(|n| (stream(&format!("run:{n}")), key("tab".into()), "s".to_owned()));
    log.save_consumers(saves.collect()).await.unwrap();
    assert_eq!(log.streams_of(&ConsumerId::new("tab").unwrap()).await.unwrap().len(), MAX_STREAMS_OF_CONSUMER);
}

/// [AW-RANGE]
async fn pages_cover_what_they_say(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    run.append(events(1..=10)).await.unwrap();
    let size = run.read(0, 1, PAGE).await.entries[0].bytes();
    let page = async |(after, upto), events, bytes| {
        let page = run.read(after, upto, PageLimit { events, bytes }).await;
        assert_eq!(page.compacted, [], "nothing is missing");
        // Beyond the last, a number is that much more.
        let upto = run.number(page.upto) + page.upto.get().saturating_sub(run.seq(10).get()) as usize;
        (run.numbers(&page), upto)
    };
    let all = usize::MAX;
    assert_eq!(page((0, 10), 4, all).await, (vec![1, 2, 3, 4], 4), "cut by the limit of events");
    assert_eq!(page((2, 5), 3, all).await, (vec![3, 4, 5], 5), "exactly full");
    assert_eq!(page((8, 50), 9, all).await, (vec![9, 10], 10), "not beyond the head");
    assert_eq!(page((10, 50), 9, all).await, (vec![], 10), "nothing more");
    assert_eq!(page((20, 50), 9, all).await, (vec![], 20), "never before the range");
    assert_eq!(page((0, 10), 9, 2 * size).await, (vec![1, 2], 2), "cut by the limit of bytes");
    assert_eq!(page((0, 10), 9, 1).await, (vec![1], 1), "one event is always allowed");
    let rest = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
    assert_eq!(log.read(&run.name, rest, PageLimit { events: all, bytes: all }).await.unwrap().upto, run.seq(10));
}

/// [AW-RECV-7]
async fn an_ended_stream_takes_no_more(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    log.append(&run, events([1])).await.unwrap();
    let tail = log.end(&run).await.unwrap();
    assert!(tail.ended);
    assert_eq!(log.end(&run).await.unwrap(), tail, "ending it again changes nothing");
    assert_eq!(log.append(&run, events([1, 2])).await, Err(LogError::StreamEnded));
    let again = log.append(&run, events([1, 1])).await.unwrap().events;
    assert!(again.iter().all(|placed| placed.duplicate && placed.seq == tail.head), "{again:?}");
    assert_eq!(log.tail(&run).await.unwrap(), tail);
    assert!(log.end(&stream("run:2")).await.unwrap().ended, "an empty stream can end, too");
}

async fn a_refused_append_leaves_nothing(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    log.end(&run).await.unwrap();
    // Side by side with others, which the same transaction may hold.
    let (refused, taken) = (log.append(&run, events([1])), stream("run:2"));
    let (refused, taken) = tokio::join!(refused, log.append(&taken, events([1])));
    assert_eq!(refused, Err(LogError::StreamEnded));
    assert!(taken.is_ok());
    assert_eq!(log.find(&run, &EventId::new("1").unwrap()).await, Ok(None));
}

async fn streams_are_listed_by_name(place: Place) {
    let log = place.open();
    let mut heads = Vec::new();
    for name in ["b", "a", "c:1", "c:2"] {
        heads.push(log.append(&stream(name), events([1])).await.unwrap().events[0].seq);
    }
    let names = async |after: Option<&str>, limit| {
        let page = log.streams(after.map(stream).as_ref(), limit).await.unwrap();
        page.into_iter().map(|(name, tail)| (name.to_string(), tail.head)).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2).await, [("a".to_owned(), heads[1]), ("b".to_owned(), heads[0])]);
    assert_eq!(names(Some("b"), 9).await, [("c:1".to_owned(), heads[2]), ("c:2".to_owned(), heads[3])]);
}

/// Section 8: a stream that is asked for by a subscription exists from then on, with its epoch.
async fn looking_does_not_create(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    assert_eq!(log.find_tail(&run).await, Ok(None));
    let tail = log.tail(&run).await.unwrap();
    assert_eq!((tail.head.get(), tail.oldest.get(), tail.events, tail.bytes, tail.ended), (0, 1, 0, 0, false));
    assert_eq!(log.find_tail(&run).await, Ok(Some(tail.clone())));
    assert_eq!(log.append(&run, events([1])).await.unwrap().epoch, tail.epoch);
    let page = log.read(&stream("run:2"), SeqRange::new(seq(3), seq(9)).unwrap(), PAGE).await.unwrap();
    assert_eq!((page.entries.len(), page.upto.get()), (0, 3));
    log.check().await.unwrap();
}

async fn watchers_wake(place: Place) {
    let log = place.open();
    let (run, bell) = (stream("run:1"), Arc::new(Notify::new()));
    let watch = log.watch(&run, bell.clone());
    log.append(&stream("run:2"), events([1])).await.unwrap();
    assert_eq!(bell.notified().now_or_never(), None, "another stream");
    log.append(&run, events([1])).await.unwrap();
    bell.notified().await;
    assert_eq!(watch.tail(), log.find_tail(&run).await.unwrap());
    log.append(&run, events([2])).await.unwrap();
    bell.notified().await;
    assert_eq!(watch.tail(), log.find_tail(&run).await.unwrap());
    let second_bell = Arc::new(Notify::new());
    let second = log.watch(&run, second_bell.clone());
    drop(watch);
    log.end(&run).await.unwrap();
    second_bell.notified().await;
    assert_eq!(second.tail(), log.find_tail(&run).await.unwrap());
    assert_eq!(bell.notified().now_or_never(), None, "nobody listens");
}

/// What watchers find in memory is what the log would have answered.
async fn watchers_see_what_the_log_holds(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    run.append(events(1..=3)).await.unwrap();
    let bell = Arc::new(Notify::new());
    let watches = [(); 2].map(|()| log.watch(&run.name, bell.clone()));
    for begin in [4, 5, 8, 20] {
        run.append(events([1, begin, begin + 1])).await.unwrap();
    }
    while watches[0].tail().map(|tail| tail.head) != Some(log.tail(&run.name).await.unwrap().head) {
        bell.notified().await;
    }
    // Read once, the past is there for others, too.
    let (_, head, _) = run.tail().await;
    run.read(0, head, PAGE).await;
    let shown = |page: &Page| {
        let events = page.entries.iter().map(|entry| (entry.event().clone(), entry.json().to_owned()));
        (page.epoch.clone(), events.collect::<Vec<_>>(), page.upto, page.oldest)
    };
    let mut found = 0;
    for (after, upto) in (0..head).flat_map(|after| (after + 1..=head).map(move |upto| (after, upto))) {
        for limit in [PAGE, PageLimit { events: 2, ..PAGE }, PageLimit { bytes: 150, ..PAGE }] {
            let read = run.read(after, upto, limit).await;
            for page in watches.iter().filter_map(|watch| watch.read(run.range(after, upto), limit)) {
                found += 1;
                assert_eq!(shown(&page), shown(&read), "({after}, {upto}] {limit:?}");
            }
        }
    }
    assert!(found > 0, "something is in memory");
}

/// [AW-CONSUMER]
async fn consumers_are_kept_apart(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    let key = |subject: Option<&str>| ConsumerKey {
        subject: subject.map(str::to_owned),
        consumer: ConsumerId::new("tab").unwrap(),
    };
    let save = |subject, text: &str| (run.clone(), key(subject), text.to_owned());
    assert_eq!(log.load_consumer(&run, &key(None)).await, Ok(None));
    log.save_consumers(vec![save(None, "1"), save(Some("ada"), "2"), save(Some("bob"), "3")]).await.unwrap();
    log.save_consumers(vec![save(Some("ada"), "4")]).await.unwrap();
    assert_eq!(log.load_consumer(&run, &key(Some("ada"))).await, Ok(Some("4".into())));
    assert_eq!(log.load_consumer(&stream("run:2"), &key(None)).await, Ok(None));
    let all = [(key(None), "1".into()), (key(Some("ada")), "4".into()), (key(Some("bob")), "3".into())];
    assert_eq!(log.consumers(&run).await.unwrap(), all);
    assert_eq!(log.consumers(&stream("run:2")).await.unwrap(), []);
    assert_eq!(log.streams_of(&all[0].0.consumer).await.unwrap(), std::slice::from_ref(&run));
    assert_eq!(log.streams_of(&ackwire::wire::ConsumerId::new("nobody").unwrap()).await.unwrap(), []);
}

async fn keeps_the_newest_events(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    run.append(events(1..=8)).await.unwrap();
    run.append(events(9..=12)).await.unwrap();
    assert_eq!(run.tail().await, (3, 12, 10));
    let page = run.read(0, 12, PAGE).await;
    assert_eq!(run.numbers(&page), (3..=12).collect::<Vec<_>>());
    assert_eq!(run.number(page.oldest.before()), 2);
    let bytes: usize = page.entries.iter().map(|entry| entry.bytes()).sum();
    assert_eq!(log.tail(&run.name).await.unwrap().bytes, bytes as u64);
    assert_eq!(run.read(0, 2, PAGE).await.upto, run.seq(2), "what was trimmed is covered");
    assert_eq!(run.append(events([2])).await.unwrap(), [(13, false)], "its id is forgotten");
}

async fn keeps_within_bytes(place: Place) {
    let log = place.open();
    let run = Run::of(&log, "run:1");
    run.append(events(1..=50)).await.unwrap();
    let tail = log.tail(&run.name).await.unwrap();
    assert!(tail.bytes <= 1000 && tail.bytes > 800, "{tail:?}");
    run.append(vec![event("large", &format!("\"{}\"", "x".repeat(2000)))]).await.unwrap();
    assert_eq!(run.tail().await, (51, 51, 1), "the newest stays");
}

async fn keeps_what_is_young(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    let consumer = ConsumerKey { subject: None, consumer: ConsumerId::new("tab").unwrap() };
    log.append(&run, events(1..=2500)).await.unwrap();
    log.save_consumers(vec![(run.clone(), consumer.clone(), "1".into())]).await.unwrap();
    // More than are forgotten in one step.
    let other =
        |n: u32| ConsumerKey { subject: Some("ada".into()), consumer: ConsumerId::new(&format!("{n}")).unwrap() };
    log.save_consumers((0..2100).map(|n| (run.clone(), other(n), "1".into())).collect()).await.unwrap();
    log.trim(ackwire_server::clock::unix_ms()).await.unwrap();
    let tail = log.tail(&run).await.unwrap();
    assert_eq!(tail.events, 2500);
    assert!(log.load_consumer(&run, &consumer).await.unwrap().is_some());

    let bell = Arc::new(Notify::new());
    let watch = log.watch(&run, bell.clone());
    log.trim(hours_later()).await.unwrap();
    let trimmed = log.tail(&run).await.unwrap();
    assert_eq!((trimmed.oldest.before(), trimmed.head), (tail.head, tail.head));
    assert_eq!((trimmed.events, trimmed.bytes), (0, 0));
    // It may take several steps, each of which is told.
    while watch.tail().as_ref() != Some(&trimmed) {
        bell.notified().await;
    }
    assert_eq!(log.load_consumer(&run, &consumer).await, Ok(None));
    assert_eq!(log.consumers(&run).await.unwrap(), []);
    assert_eq!(log.streams_of(&consumer.consumer).await.unwrap(), []);
    log.save_consumers(vec![(run.clone(), consumer.clone(), "2".into())]).await.unwrap();
    log.trim(ackwire_server::clock::unix_ms()).await.unwrap();
    assert_eq!(log.load_consumer(&run, &consumer).await, Ok(Some("2".into())), "who comes back is a new one");
}

/// [AW-SEQ]
async fn a_seq_is_never_given_twice(place: Place) {
    let log = place.open();
    let run = stream("run:1");
    let mut newest = log.append(&run, events([1, 2])).await.unwrap().events[1].seq;
    let mut append = async |log: Arc<dyn Log>| {
        log.trim(hours_later()).await.unwrap();
        let placed = log.append(&run, events([1])).await.unwrap().events.remove(0);
        assert!(!placed.duplicate && placed.seq > newest, "{placed:?} after {newest}");
        newest = placed.seq;
    };
    append(log.clone()).await;
    drop(log);
    if place.outlives_the_log() {
        append(place.open()).await;
    }
}

/// [AW-EPOCH]
#[tokio::test]
async fn a_log_in_a_file_is_the_same_when_opened_again() {
    let place = Place { keeper: Keeper::Folder(tempfile::tempdir().unwrap()), retention: Retention::default() };
    let run = stream("run:1");
    let consumer = ConsumerKey { subject: Some("ada".into()), consumer: ConsumerId::new("tab").unwrap() };
    let log = place.open();
    let appended = log.append(&run, events(1..=5)).await.unwrap();
    log.save_consumers(vec![(run.clone(), consumer.clone(), "{}".into())]).await.unwrap();
    let tail = log.end(&run).await.unwrap();
    let before = log.read(&run, SeqRange::new(seq(0), seq(5)).unwrap(), PAGE).await.unwrap();
    drop(log);
    let Keeper::Folder(folder) = &place.keeper else { unreachable!("it is one") };
    let left = std::fs::read_dir(folder.path()).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["ackwire.db", "ackwire.lock"], "closed, it is one file");

    let log = place.open();
    assert_eq!(log.tail(&run).await.unwrap(), tail);
    let page = log.read(&run, SeqRange::new(seq(0), seq(5)).unwrap(), PAGE).await.unwrap();
    assert!(before.entries.iter().map(|entry| entry.json()).eq(page.entries.iter().map(|entry| entry.json())));
    assert_eq!(log.load_consumer(&run, &consumer).await, Ok(Some("{}".into())));
    let again = log.append(&run, events([3])).await.unwrap().events;
    assert_eq!((again[0].seq, again[0].duplicate), (appended.events[2].seq, true));
}

/// [AW-EPOCH]: a log that lost its history starts a new epoch.
#[tokio::test]
async fn a_log_in_memory_is_another_one_each_time() {
    let place = Place { keeper: Keeper::Process, retention: Retention::default() };
    let run = stream("run:1");
    let epochs = [place.open().tail(&run).await.unwrap().epoch, place.open().tail(&run).await.unwrap().epoch];
    assert_ne!(epochs[0], epochs[1]);
}

/// A connection waits for one answer while others that it has asked for are left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_file_what_nobody_polls_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path(), Retention::default()).unwrap();
    let run = stream("run:1");
    log.append(&run, events([0])).await.unwrap();
    let all = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
    let mut left_alone: Vec<_> = (0..100).map(|_| log.read(&run, all, PAGE)).collect();
    left_alone.iter_mut().for_each(|read| drop(read.now_or_never()));
    let read = log.read(&run, all, PAGE);
    let read = tokio::time::timeout(Duration::from_secs(60), read).await.expect("an answer");
    assert_eq!(read.unwrap().entries.len(), 1);
}
