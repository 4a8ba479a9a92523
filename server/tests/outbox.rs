//! Events that are published with the application's own transaction, into a real log.

mod support;

use ackwire::{
    base::{Backoff, Duration as Span},
    wire::{Event, Seq, SeqRange, StreamName},
};
use ackwire_server::{
    fault::Fault,
    log::{Log, NewEvent, PageLimit, Retention, SqliteLog},
    outbox::{self, Notice, Outbox, OutboxError, Terms, TransactError},
};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use support::{
    disk::Disk,
    gate::{Gate, GatedLog},
    until,
};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::Notify, task::block_in_place, time::timeout};

/// Only a wake starts the relay, but where polling is what is tested.
const NEVER: Duration = Duration::from_secs(3600);
/// What is awaited comes much sooner; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// An application with a database of its own, and the server's log.
struct Shop {
    path: PathBuf,
    database: Connection,
    log: Arc<SqliteLog>,
    _folder: TempDir,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let database = Connection::open(&path).unwrap();
        database.busy_timeout(Duration::ZERO).unwrap();
        database.execute_batch("CREATE TABLE sales (n INTEGER PRIMARY KEY, note TEXT) STRICT").unwrap();
        outbox::create(&database).unwrap();
        let log = Arc::new(SqliteLog::open(&folder.path().join("log"), Retention::default()).unwrap());
        Self { path, database, log, _folder: folder }
    }

    /// Another connection that does not wait.
    fn connect(&self) -> Connection {
        let database = Connection::open(&self.path).unwrap();
        database.busy_timeout(Duration::ZERO).unwrap();
        database
    }

    fn start(&self) -> Outbox {
        Outbox::start(&self.path, self.log.clone(), NEVER).unwrap()
    }

    fn sales(&self) -> i64 {
        self.database.query_row("SELECT count(*) FROM sales", [], |row| row.get(0)).unwrap()
    }

    /// Rows in the outbox.
    fn waiting(&self) -> i64 {
        self.database.query_row("SELECT count(*) FROM ackwire_outbox", [], |row| row.get(0)).unwrap()
    }

    async fn events(&self, name: &str) -> Vec<Event> {
        let everything = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
        let limit = PageLimit { events: usize::MAX, bytes: usize::MAX };
        let page = self.log.read(&stream(name), everything, limit).await.unwrap();
        page.entries.iter().map(|entry| entry.event().clone()).collect()
    }

    async fn ids(&self, name: &str) -> Vec<String> {
        self.events(name).await.iter().map(|event| event.id.to_string()).collect()
    }

    /// The data of the one notice in the stream `notices`.
    async fn notice(&self, outbox: &Outbox) -> Value {
        // What the database keeps back does not keep the notice back.
        let _ = outbox.flush().await;
        let events = self.events("notices").await;
        assert_eq!(events.len(), 1);
        assert_eq!(*events[0].event_type, *"transaction_rollback");
        assert_eq!(events[0].meta["run_id"], "7");
        serde_json::from_str(events[0].data.get()).unwrap()
    }
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn event(id: &str) -> NewEvent {
    let json =
        json!({ "id": id, "type": "sold", "time": 1, "data": { "id": id }, "priority": "high", "meta": { "k": "v" } });
    serde_json::from_str(&json.to_string()).unwrap()
}

/// Few and short retries, and a notice.
fn terms() -> Terms {
    let meta = [("run_id".to_owned(), "7".to_owned())].into();
    let backoff = Backoff { base: Span::from_millis(1), max: Span::from_millis(5) };
    Terms { retries: 2, backoff, notice: Some(Notice { stream: stream("notices"), meta }) }
}

/// Sells something, and says so in the stream.
fn sell(connection: &Connection, name: &str, id: &str) -> Result<(), OutboxError> {
    connection.execute("INSERT INTO sales (note) VALUES (?)", [id])?;
    outbox::append(connection, &stream(name), &event(id))
}

fn fault_of<T, E: std::fmt::Debug>(outcome: Result<T, TransactError<E>>) -> Fault {
    match outcome.map(drop).unwrap_err() {
        TransactError::Database(error) => error.fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_visible_exactly_when_the_transaction_commits() {
    let mut shop = Shop::open();
    let outbox = shop.start();
    let log = shop.log.clone();
    outbox
        .transact(&mut shop.database, &terms(), |transaction| {
            for id in ["a", "b", "c"] {
                sell(transaction, "s", id)?;
            }
            let head = block_in_place(|| {
                Handle::current().block_on(async {
                    outbox.flush().await.unwrap();
                    log.tail(&stream("s")).await.unwrap().head
                })
            });
            assert_eq!(head, Seq::ZERO, "not before");
            Ok::<_, TransactError>(())
        })
        .unwrap();
    outbox.flush().await.unwrap();

    let events = shop.events("s").await;
    assert_eq!(shop.ids("s").await, ["a", "b", "c"]);
    assert_eq!((events[0].data.get(), events[0].meta["k"].as_str()), (r#"{"id":"a"}"#, "v"));
    assert_eq!((shop.sales(), shop.waiting()), (3, 0));
    assert!(shop.events("notices").await.is_empty());
    assert_eq!(outbox.status().borrow().appended, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_leaves_nothing_but_the_notice_that_was_asked_for() {
    let mut shop = Shop::open();
    let outbox = shop.start();
    for asked in [Terms { notice: None, ..terms() }, terms()] {
        let outcome = outbox.transact(&mut shop.database, &asked, |transaction| {
            sell(transaction, "s", "a")?;
            Err::<(), _>(TransactError::Application("sold out"))
        });
        assert_eq!(outcome, Err(TransactError::Application("sold out")));
    }
    assert_eq!(shop.notice(&outbox).await, json!({ "cause": "application", "attempts": 1 }));
    assert_eq!((shop.sales(), shop.waiting()), (0, 0));
    assert_eq!(shop.log.find_tail(&stream("s")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_rolls_back_and_is_noticed() {
    let mut shop = Shop::open();
    let outbox = shop.start();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        outbox.transact(&mut shop.database, &terms(), |transaction| -> Result<(), TransactError> {
            sell(transaction, "s", "a")?;
            panic!("broken on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(shop.notice(&outbox).await["cause"], "panic");
    assert_eq!((shop.sales(), shop.waiting()), (0, 0));
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_sent_after_it() {
    let shop = Shop::open();
    sell(&shop.database, "s", "a").unwrap();
    sell(&shop.database, "s", "b").unwrap();
    shop.start().flush().await.unwrap();
    assert_eq!(shop.ids("s").await, ["a", "b"]);
}

#[tokio::test]
async fn a_crash_between_append_and_delete_repeats_nothing() {
    let shop = Shop::open();
    sell(&shop.database, "s", "a").unwrap();
    shop.database
        .execute_batch(
            "CREATE TRIGGER crash BEFORE DELETE ON ackwire_outbox BEGIN SELECT RAISE(ABORT, 'here it crashes'); END",
        )
        .unwrap();
    let before = shop.start();
    assert!(before.flush().await.unwrap_err().message.contains("here it crashes"));
    before.close().await;
    assert_eq!((shop.ids("s").await, shop.waiting()), (vec!["a".into()], 1), "appended, and not yet deleted");

    shop.database.execute_batch("DROP TRIGGER crash").unwrap();
    sell(&shop.database, "s", "b").unwrap();
    shop.start().flush().await.unwrap();
    assert_eq!((shop.ids("s").await, shop.waiting()), (vec!["a".into(), "b".into()], 0));
}

#[tokio::test]
async fn a_commit_that_nobody_told_of_is_found_by_polling() {
    let shop = Shop::open();
    let _outbox = Outbox::start(&shop.path, shop.log.clone(), Duration::from_millis(10)).unwrap();
    let bell = Arc::new(Notify::new());
    let _watch = shop.log.watch(&stream("s"), bell.clone());
    sell(&shop.database, "s", "a").unwrap();
    let arrives = async {
        while shop.log.tail(&stream("s")).await.unwrap().head == Seq::ZERO {
            bell.notified().await;
        }
    };
    timeout(PATIENCE, arrives).await.expect("the event arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_meet_try_again_and_each_stream_keeps_the_order_of_the_commits() {
    let shop = Shop::open();
    let outbox = shop.start();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (mut database, outbox) = (shop.connect(), outbox.clone());
            let patient = Terms { retries: 100_000, notice: None, ..terms() };
            thread::spawn(move || {
                for _ in 0..50 {
                    outbox
                        .transact(&mut database, &patient, |transaction| {
                            transaction.execute("INSERT INTO sales (note) VALUES ('')", [])?;
                            let n = transaction.last_insert_rowid();
                            outbox::append(transaction, &stream(&format!("s{}", n % 3)), &event(&n.to_string()))?;
                            Ok::<_, TransactError>(())
                        })
                        .unwrap();
                }
            })
        })
        .collect();
    block_in_place(|| writers.into_iter().for_each(|writer| writer.join().unwrap()));
    outbox.flush().await.unwrap();
    for remainder in 0..3 {
        let expected: Vec<_> = (1..=200).filter(|n| n % 3 == remainder).map(|n: i64| n.to_string()).collect();
        assert_eq!(shop.ids(&format!("s{remainder}")).await, expected);
    }
    assert_eq!(shop.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_met_another_writer_is_done_again() {
    let mut shop = Shop::open();
    let (outbox, other) = (shop.start(), shop.connect());
    let mut attempts = 0;
    outbox
        .transact(&mut shop.database, &terms(), |transaction| {
            sell(transaction, "s", "a")?;
            attempts += 1;
            // This transaction is in its way.
            if attempts == 1 {
                other.execute_batch("BEGIN IMMEDIATE")?
            }
            Ok::<_, TransactError>(())
        })
        .unwrap();
    outbox.flush().await.unwrap();
    assert!(attempts >= 2, "the relay, which writes too, may have been in its way once more");
    assert_eq!((shop.sales(), shop.ids("s").await), (1, vec!["a".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stays_busy_is_reported_after_the_last_retry() {
    let mut shop = Shop::open();
    let (outbox, other) = (shop.start(), shop.connect());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = outbox
        .transact(&mut shop.database, &terms(), |transaction| Ok::<_, TransactError>(sell(transaction, "s", "a")?));
    assert_eq!(fault_of(busy), Fault::Busy);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(shop.notice(&outbox).await, json!({ "cause": "busy", "attempts": 3 }));
    assert_eq!((shop.sales(), shop.waiting()), (0, 0));
}

#[tokio::test]
async fn a_relay_that_cannot_delete_waits_for_the_writer_and_goes_on() {
    let shop = Shop::open();
    sell(&shop.database, "s", "a").unwrap();
    let other = shop.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outbox = shop.start();
    let mut status = outbox.status();
    let is_busy = |trouble: &Option<OutboxError>| trouble.as_ref().is_some_and(|error| error.fault == Fault::Busy);
    timeout(PATIENCE, status.wait_for(|status| is_busy(&status.trouble))).await.unwrap().unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    outbox.flush().await.unwrap();
    assert_eq!((shop.ids("s").await, shop.waiting()), (vec!["a".into()], 0));
    assert_eq!(status.borrow().trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_only_be_read_is_reported_at_once() {
    let shop = Shop::open();
    let outbox = shop.start();
    let mut reader = Connection::open_with_flags(&shop.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let refused =
        outbox.transact(&mut reader, &terms(), |transaction| Ok::<_, TransactError>(sell(transaction, "s", "a")?));
    assert_eq!(fault_of(refused), Fault::Permission);
    assert_eq!(shop.notice(&outbox).await, json!({ "cause": "permission", "attempts": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_room_is_reported_at_once() {
    let mut shop = Shop::open();
    let outbox = shop.start();
    let pages: i64 = shop.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let most = |database: &Connection, pages: i64| {
        database.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    most(&shop.database, pages);
    let large = "d".repeat(100_000);
    let mut work = |transaction: &rusqlite::Transaction| {
        transaction.execute("INSERT INTO sales (note) VALUES (?)", [&large])?;
        Ok::<_, TransactError>(sell(transaction, "s", "a")?)
    };
    assert_eq!(fault_of(outbox.transact(&mut shop.database, &terms(), &mut work)), Fault::DiskFull);
    assert_eq!(shop.notice(&outbox).await, json!({ "cause": "disk_full", "attempts": 1 }));
    assert_eq!((shop.sales(), shop.waiting()), (0, 0));

    most(&shop.database, 1_000_000);
    outbox.transact(&mut shop.database, &terms(), &mut work).unwrap();
    outbox.flush().await.unwrap();
    assert_eq!(shop.ids("s").await, ["a"]);
}

#[tokio::test]
async fn a_log_without_room_is_reported_and_what_was_committed_waits() {
    let Some(disk) = Disk::mount() else { return };
    let mut shop = Shop::open();
    shop.log = Arc::new(SqliteLog::open(&disk.path().join("log"), Retention::default()).unwrap());
    let outbox = shop.start();
    let filler = disk.fill();
    let large = NewEvent { data: serde_json::value::to_raw_value(&"d".repeat(1 << 20)).unwrap(), ..event("large") };
    outbox::append(&shop.database, &stream("s"), &large).unwrap();
    outbox::append(&shop.database, &stream("s"), &event("after")).unwrap();
    assert_eq!(outbox.flush().await.unwrap_err().fault, Fault::DiskFull);
    assert_eq!(
        (outbox.status().borrow().trouble.as_ref().map(|error| error.fault), shop.waiting()),
        (Some(Fault::DiskFull), 2)
    );

    fs::remove_file(filler).unwrap();
    outbox.flush().await.unwrap();
    let seqs: Vec<_> = shop.events("s").await.iter().map(|event| (event.id.to_string(), event.seq.get())).collect();
    assert_eq!(seqs, [("large".to_owned(), 1), ("after".to_owned(), 2)], "no hole");
    outbox.close().await;
}

#[tokio::test]
async fn tables_of_another_version_are_left_alone() {
    let shop = Shop::open();
    outbox::create(&shop.database).unwrap();
    let start = |path: &Path| Outbox::start(path, shop.log.clone(), NEVER).map(drop).unwrap_err();

    shop.database.execute_batch("ALTER TABLE ackwire_outbox ADD COLUMN more TEXT").unwrap();
    let refused = start(&shop.path);
    assert_eq!(refused.fault, Fault::Schema);
    assert_eq!(outbox::create(&shop.database), Err(refused));

    shop.database.execute_batch("DROP TABLE ackwire_outbox").unwrap();
    let missing = start(&shop.path);
    assert!(missing.fault == Fault::Schema && missing.message.contains("outbox::create"), "{missing}");
    assert_eq!(outbox::append(&shop.database, &stream("s"), &event("a")).unwrap_err().fault, Fault::Schema);
    assert_eq!(start(&shop.path.with_extension("gone")).fault, Fault::Connection);
    assert!(!shop.path.with_extension("gone").exists(), "nothing is made in passing");
}

#[tokio::test]
async fn what_the_log_refuses_is_kept_and_holds_up_nobody() {
    let shop = Shop::open();
    shop.log.append(&stream("ended"), vec![event("there")]).await.unwrap();
    shop.log.end(&stream("ended")).await.unwrap();
    for (name, id) in [("ended", "there"), ("ended", "late"), ("s", "a")] {
        sell(&shop.database, name, id).unwrap();
    }
    shop.database.execute("INSERT INTO ackwire_outbox (stream, event) VALUES ('s', 'none')", []).unwrap();
    let outbox = shop.start();
    outbox.flush().await.unwrap();
    assert_eq!(shop.ids("s").await, ["a"]);

    let refused = outbox::refused(&shop.database, 0, 10).unwrap();
    let told: Vec<_> =
        refused.iter().map(|refused| (refused.stream.as_str(), refused.reason.split(' ').nth(1).unwrap())).collect();
    assert_eq!(told, [("ended", "stream"), ("s", "event:")], "{refused:?}");
    assert!(refused[0].event.contains(r#""late""#), "what the stream had was no loss");
    assert_eq!(outbox.status().borrow().refused, 2);
    for refused in refused {
        assert!(outbox::discard(&shop.database, refused.position).unwrap());
    }
    assert_eq!(shop.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_log_in_trouble_is_bounded() {
    let mut shop = Shop::open();
    let log = Arc::new(GatedLog::new(Gate::Busy));
    let outbox = Outbox::start(&shop.path, log.clone(), NEVER).unwrap();
    sell(&shop.database, "s", "a").unwrap();
    outbox.wake();
    let flushes: Vec<_> = (0..2 * outbox::ORDERS)
        .map(|_| {
            tokio::spawn({
                let outbox = outbox.clone();
                async move { outbox.flush().await }
            })
        })
        .collect();
    // Half of them wait; the others are told what they would wait for.
    let told = || flushes.iter().filter(|flush| flush.is_finished()).count();
    until("half of them are told", async || told() == outbox::ORDERS).await;
    let rolled_back = || Err::<(), _>(TransactError::Application("no"));
    for _ in 0..4 * outbox::ORDERS {
        outbox.transact(&mut shop.database, &terms(), |_| rolled_back()).unwrap_err();
    }
    log.set(Gate::Open);
    until("it goes on", async || outbox.flush().await.is_ok()).await;
    let answers = futures_util::future::join_all(flushes).await;
    let (done, told): (Vec<_>, Vec<_>) = answers.into_iter().map(|answer| answer.unwrap()).partition(Result::is_ok);
    assert_eq!((done.len(), told.len()), (outbox::ORDERS, outbox::ORDERS));
    let notices = log.tail(&stream("notices")).await.unwrap().head.get() as usize;
    assert!((1..=2 * outbox::ORDERS).contains(&notices), "{notices}");
}
