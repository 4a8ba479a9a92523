//! What is particular to a log in Redis: several servers share it, and it goes away and comes back, not always whole.

mod support;

use ackwire::wire::{EventId, EventType, Seq, SeqRange, StreamName};
use ackwire_server::{
    fault::Fault,
    log::{Log, LogError, NewEvent, Page, PageLimit, Placed, RedisLog, RedisSettings, Retention},
};
use redis::Value;
use serde_json::{json, value::RawValue};
use std::{io::Read, sync::Arc};
use support::{
    Server, assert_refused,
    client::Client,
    fleet::Page as Tab,
    program::{Running, program},
    redis::Redis,
    until,
};
use tokio::sync::Notify;

const PAGE: PageLimit = PageLimit { events: 100, bytes: 1 << 20 };

fn run() -> StreamName {
    StreamName::new("run:1").unwrap()
}

fn event(id: &str) -> NewEvent {
    let id = EventId::new(id).unwrap();
    NewEvent { id, ..NewEvent::new(EventType::new("x").unwrap(), RawValue::from_string("1".into()).unwrap()) }
}

async fn append(log: &RedisLog, id: &str) -> Result<Placed, LogError> {
    Ok(log.append(&run(), vec![event(id)]).await?.events.remove(0))
}

async fn read(log: &RedisLog, after: Seq, upto: Seq) -> Page {
    log.read(&run(), SeqRange::new(after, upto).unwrap(), PAGE).await.unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.event().id.as_str()).collect()
}

/// Appends until Redis takes it: it is back.
async fn append_again(log: &RedisLog, id: &str) -> Placed {
    let placed = std::sync::Mutex::new(None);
    until("the log takes events again", async || {
        let appended = append(log, id).await.ok();
        *placed.lock().unwrap() = appended;
        placed.lock().unwrap().is_some()
    })
    .await;
    placed.into_inner().unwrap().unwrap()
}

/// With `fault`, whatever it says.
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, LogError>, fault: Fault) -> String {
    match result {
        Err(LogError::Unavailable { fault: found, message }) if found == fault => message,
        other => panic!("{other:?} instead of {fault:?}"),
    }
}

#[tokio::test]
async fn servers_share_their_streams() {
    let Some(redis) = Redis::start() else { return };
    let [one, two] = [(); 2].map(|()| redis.log(Retention::default()));
    let bell = Arc::new(Notify::new());
    let _watch = two.watch(&run(), bell.clone());
    let placed = append(&one, "a").await.unwrap();
    bell.notified().await;
    assert_eq!(two.tail(&run()).await.unwrap(), one.tail(&run()).await.unwrap());
    assert_eq!(append(&two, "a").await.unwrap(), Placed { duplicate: true, ..placed.clone() });
    let second = append(&two, "b").await.unwrap();
    assert!(second.seq > placed.seq);
    assert_eq!(ids(&read(&one, Seq::ZERO, Seq::MAX).await), ["a", "b"]);
}

/// An event is appended at one server, and a client of another gets it and confirms it.
#[tokio::test]
async fn a_client_is_served_by_any_server() {
    let Some(redis) = Redis::start() else { return };
    let one = Server::with_log(&["--dev", "--drain", "0s"], Arc::new(redis.log(Retention::default()))).await;
    let two = Server::with_log(&["--dev", "--drain", "0s"], Arc::new(redis.log(Retention::default()))).await;
    let subscription = json!([{ "stream": "run:1", "from": "resume", "window": { "events": 10, "bytes": 65536 } }]);
    let mut client = Client::hello(&two.url, "tab", subscription.clone()).await;
    let epoch = client.next("subscribed").await["epoch"].clone();
    let (status, appended) = one.append(r#"{ "id": "a", "type": "x", "data": 1 }"#).await;
    assert_eq!(status, 201);
    let events = client.next("events").await;
    let seq = &appended["events"][0]["seq"];
    assert_eq!([&events["events"][0]["id"], &events["events"][0]["seq"]], [&json!("a"), seq]);
    client.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": seq })).await;
    drop(client);
    // What it confirmed is saved; it resumes there at the other one.
    until("the ack is saved", async || {
        let (_, consumers) = one.get("/v1/streams/run:1/consumers").await;
        consumers["consumers"][0]["confirmed"] == *seq
    })
    .await;
    let mut client = Client::hello(&one.url, "tab", subscription).await;
    assert_eq!(client.next("subscribed").await["after"], *seq);
    drop(client);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn what_is_not_heard_of_shows_all_the_same() {
    let Some(redis) = Redis::start() else { return };
    let [one, two] = [(); 2].map(|()| redis.log(Retention::default()));
    let bell = Arc::new(Notify::new());
    let _watch = two.watch(&run(), bell.clone());
    for id in ["a", "b", "c"] {
        append(&one, id).await.unwrap();
        bell.notified().await;
        // From here until it is back nothing is heard.
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_gets_what_the_server_has_not_heard_of() {
    let Some(redis) = Redis::start() else { return };
    let log = Arc::new(redis.log(Retention::default()));
    let server = Server::with_log(&["--dev"], log.clone()).await;
    // Somebody stays who watches the stream.
    let _watch = log.watch(&run(), Arc::new(Notify::new()));
    let mut tab = Tab::open(&server.url, "tab").await;
    let heard = append(&log, "heard").await.unwrap().seq;
    let event = tab.event().await;
    tab.ack(&event).await;
    until("it is confirmed", async || {
        let (_, consumers) = server.get("/v1/streams/run:1/consumers").await;
        consumers["consumers"][0]["confirmed"] == event["seq"]
    })
    .await;
    drop(tab);
    // From here on this server may not listen.
    redis.command(&["ACL", "SETUSER", "writer", "on", ">secret", "~*", "&*", "+@all"]);
    redis.command(&["ACL", "SETUSER", "default", "resetchannels"]);
    let url = format!("redis://writer:secret@127.0.0.1:{}", redis.port()).parse().unwrap();
    let writer = RedisLog::new(RedisSettings { url, replicas: 0 }, Retention::default());
    let unheard = append(&writer, "unheard").await.unwrap().seq;
    assert_eq!(ids(&read(&log, heard, unheard).await), ["unheard"]);
    assert_eq!(Tab::open(&server.url, "tab").await.event().await["id"], "unheard");
}

/// [AW-SEQ], [AW-EPOCH]: a replica that was promoted without the last write.
#[tokio::test]
async fn what_a_failover_may_have_lost_is_named() {
    let (Some(primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    let log = primary.log(Retention::default());
    let kept = append(&log, "kept").await.unwrap();
    replica.follow(&primary).await;
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    let lost = append(&log, "lost").await.unwrap();

    // A server that knows nothing of what was before.
    let log = replica.log(Retention::default());
    let tail = log.tail(&run()).await.unwrap();
    assert!(tail.head > lost.seq, "no seq is given again");
    let page = read(&log, Seq::ZERO, Seq::MAX).await;
    assert_eq!((ids(&page), &page.compacted), (vec!["kept"], &vec![SeqRange::new(kept.seq, tail.head).unwrap()]));
    let ahead = read(&log, lost.seq, Seq::MAX).await;
    assert_eq!(ahead.compacted, [SeqRange::new(lost.seq, tail.head).unwrap()], "who has more is told the rest");
    let next = append(&log, "next").await.unwrap();
    assert!(next.seq > tail.head);
    assert_eq!(log.tail(&run()).await.unwrap().epoch, tail.epoch);
    assert_eq!(read(&log, tail.head, Seq::MAX).await.compacted, [], "it is named once");
    assert!(!append(&log, "lost").await.unwrap().duplicate, "its producer may send it again");
}

/// The same, with servers that live through it: a client is told `lost`, and gets what comes then.
#[tokio::test]
async fn a_client_is_told_what_a_failover_may_have_lost() {
    let (Some(mut primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    let log = Arc::new(primary.log(Retention::default()));
    let server = Server::with_log(&["--dev", "--drain", "0s"], log.clone()).await;
    let kept = append(&log, "kept").await.unwrap();
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": { "events": 10, "bytes": 65536 } }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let subscribed = client.next("subscribed").await;
    client.next("events").await;
    let ack = json!({ "type": "ack", "stream": "run:1", "epoch": subscribed["epoch"], "upto": kept.seq });
    client.send(ack).await;

    replica.follow(&primary).await;
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    primary.kill();
    primary.restart();
    primary.follow(&replica).await;
    let error = until_unavailable(&log).await;
    assert!(error.contains("replica"), "{error}");
    primary.command(&["REPLICAOF", "NO", "ONE"]);

    let lost = client.next("lost").await;
    assert_eq!([&lost["after"], &lost["reason"]], [&json!(kept.seq), &json!("compacted")]);
    append_again(&log, "next").await;
    let events = client.next("events").await;
    assert_eq!([&events["after"], &events["events"][0]["id"]], [&lost["upto"], &json!("next")]);
    drop(client);
    server.stop().await;
}

/// What was answered is synced: nothing is lost, and nobody is told that something might be.
#[tokio::test]
async fn a_restart_of_a_durable_redis_loses_nothing() {
    let Some(mut redis) = Redis::start() else { return };
    let log = Arc::new(redis.log(Retention::default()));
    let server = Server::with_log(&["--dev", "--drain", "0s"], log.clone()).await;
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": { "events": 10, "bytes": 65536 } }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let epoch = client.next("subscribed").await["epoch"].clone();
    let event = |id: &str| json!({ "id": id, "type": "x", "data": 1 }).to_string();
    assert_eq!(server.append(&event("before")).await.0, 201);
    let before = client.next("events").await;
    client.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": before["upto"] })).await;

    redis.kill();
    let (status, ready) = server.get("/health/ready").await;
    assert_eq!(status, 503, "{ready}");
    assert!(ready["message"].as_str().unwrap().contains("cannot be reached"), "{ready}");
    let request = server.request(reqwest::Method::POST, "/v1/streams/run:1/events");
    let refused = request.header("content-type", "application/json").body(event("after")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), support::header(&refused, "retry-after")), (503, "1"));
    assert_refused(support::answer_of(refused).await, 503, "unavailable", &["redis://127.0.0.1", "try again"]);

    redis.restart();
    until("it is ready again", async || server.get("/health/ready").await.0 == 200).await;
    let (status, _) = server.append(&event("after")).await;
    assert_eq!(status, 201);
    let after = client.next("events").await;
    assert_eq!([&after["after"], &after["events"][0]["id"]], [&before["upto"], &json!("after")], "nothing between");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_restart_that_may_have_lost_something_is_named() {
    let Some(mut redis) = Redis::with(&["--appendfsync", "everysec"]) else { return };
    let log = redis.log(Retention::default());
    let before = append(&log, "before").await.unwrap();
    redis.kill();
    redis.restart();
    let after = append_again(&log, "after").await;
    let page = read(&log, before.seq, Seq::MAX).await;
    let hole = page.compacted[0];
    assert_eq!((page.compacted.len(), hole.after()), (1, before.seq));
    assert!(hole.upto() < after.seq);
}

/// A server knows what it has seen: a Redis that is put back to an earlier state is found out, however durable it is.
#[tokio::test]
async fn a_redis_that_was_put_back_is_found_out() {
    let (Some(redis), Some(copy)) = (Redis::start(), Redis::start()) else { return };
    let log = redis.log(Retention::default());
    let before = append(&log, "before").await.unwrap();
    copy.follow(&redis).await;
    copy.command(&["REPLICAOF", "NO", "ONE"]);
    let lost = append(&log, "lost").await.unwrap();
    // The copy's keys take the place of the newer ones; the process and its history stay the same.
    redis.command(&["FLUSHALL"]);
    for key in redis::from_redis_value::<Vec<String>>(copy.command(&["KEYS", "*"])).unwrap() {
        let dump: Vec<u8> = redis::from_redis_value(copy.command(&["DUMP", &key])).unwrap();
        redis::cmd("RESTORE").arg(&key).arg(0).arg(dump).exec(&mut redis.client()).unwrap();
    }
    let tail = log.tail(&run()).await.unwrap();
    assert!(tail.head >= lost.seq);
    assert_eq!(read(&log, Seq::ZERO, Seq::MAX).await.compacted, [SeqRange::new(before.seq, tail.head).unwrap()]);
}

#[tokio::test]
async fn a_stream_whose_events_were_evicted_is_another_one() {
    let Some(redis) = Redis::start() else { return };
    let log = redis.log(Retention::default());
    append(&log, "a").await.unwrap();
    let before = log.tail(&run()).await.unwrap();
    let keys: Vec<String> = redis::from_redis_value(redis.command(&["KEYS", "*:events:run:1"])).unwrap();
    assert_eq!(redis.command(&["DEL", &keys[0]]), Value::Int(1));
    let after = log.tail(&run()).await.unwrap();
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.events, after.head), (0, Seq::ZERO));
    assert!(append(&log, "a").await.unwrap().seq > before.head, "even so, no seq is given again");
}

#[tokio::test]
async fn a_full_redis_refuses_and_recovers() {
    let Some(redis) = Redis::start() else { return };
    let log = redis.log(Retention::default());
    let before = append(&log, "before").await.unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(assert_unavailable(append(&log, "after").await, Fault::DiskFull).contains("memory"));
    assert_unavailable(log.check().await, Fault::DiskFull);
    assert_eq!(ids(&read(&log, Seq::ZERO, before.seq).await), ["before"], "it still reads");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    log.check().await.unwrap();
    assert!(!append(&log, "after").await.unwrap().duplicate, "nothing of it was kept");
}

/// It does not answer, and then it does.
#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_only_so_long() {
    let Some(redis) = Redis::start() else { return };
    let log = redis.log(Retention::default());
    append(&log, "before").await.unwrap();
    redis.signal("STOP");
    assert_unavailable(append(&log, "after").await, Fault::Timeout);
    redis.signal("CONT");
    append_again(&log, "after").await;
    assert_eq!(
        ids(&read(&log, Seq::ZERO, Seq::MAX).await),
        ["before", "after"],
        "once, whatever became of the first try"
    );
}

#[tokio::test]
async fn an_answer_waits_for_replicas() {
    let (Some(primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    let log = RedisLog::new(RedisSettings { url: primary.url().parse().unwrap(), replicas: 1 }, Retention::default());
    let message = assert_unavailable(append(&log, "a").await, Fault::Timeout);
    assert!(message.contains("only 0 of the 1 replicas"), "{message}");
    replica.follow(&primary).await;
    assert!(append(&log, "a").await.unwrap().duplicate, "the primary had it; now the replica has");
    let there = replica.log(Retention::default());
    assert_eq!(
        there.find(&run(), &EventId::new("a").unwrap()).await.unwrap(),
        Some(append(&log, "a").await.unwrap().seq)
    );
}

#[tokio::test]
async fn a_cluster_keeps_a_log() {
    let Some(redis) = Redis::with(&["--cluster-enabled", "yes"]) else { return };
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let state = async || {
        let info: String = redis::from_redis_value(redis.command(&["CLUSTER", "INFO"])).unwrap();
        info.contains("cluster_state:ok")
    };
    until("the cluster is complete", state).await;
    let settings =
        || RedisSettings { url: format!("redis-cluster://127.0.0.1:{}", redis.port()).parse().unwrap(), replicas: 0 };
    let [one, two] = [(); 2].map(|()| RedisLog::new(settings(), Retention::default()));
    for n in 0..50 {
        let stream = StreamName::new(&format!("run:{n}")).unwrap();
        let bell = Arc::new(Notify::new());
        let _watch = two.watch(&stream, bell.clone());
        one.append(&stream, vec![event("a"), event("b")]).await.unwrap();
        bell.notified().await;
        assert_eq!(two.tail(&stream).await.unwrap().events, 2);
    }
    assert_eq!(one.streams(None, 100).await.unwrap().len(), 50);
    one.trim(ackwire_server::clock::unix_ms()).await.unwrap();
    one.check().await.unwrap();
}

/// Somebody is told at start.
#[test]
fn a_redis_that_cannot_keep_a_log_is_reported() {
    let Some(redis) = Redis::with(&["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(program(&["--dev", "--port", "0", "--log", &redis.url()], &folder));
    let mut stderr = running.child.stderr.take().unwrap();
    let (mut text, mut piece) = (String::new(), [0; 1024]);
    while !(text.contains("set noeviction") && text.contains("set appendonly yes")) {
        let read = stderr.read(&mut piece).unwrap();
        assert!(read > 0, "it ended without a word of it: {text}");
        text += &String::from_utf8_lossy(&piece[..read]);
    }
}

/// Whatever is wrong with it, the log lines and answers that say so do not have its password.
#[test]
fn a_password_is_not_shown() {
    let Some(redis) = Redis::with(&["--requirepass", "rightpassword"]) else { return };
    for address in [format!("127.0.0.1:{}", redis.port()), "127.0.0.1:1".into()] {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("redis://ada:wrongpassword@{address}");
        let mut command = program(&["--dev", "--port", "0"], &folder);
        command.env("ACKWIRE_LOG", url).env("RUST_LOG", "trace");
        let mut running = Running::start(command);
        let mut stderr = running.child.stderr.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let answer = ready(&running.url);
        drop(running);
        let said = reading.join().unwrap();
        assert!(answer.contains(&address) && said.contains(&address), "{answer}\n{said}");
        assert!(!answer.contains("wrongpassword") && !said.contains("wrongpassword"), "{answer}\n{said}");
    }
}

/// What `/health/ready` answers.
#[tokio::main(flavor = "current_thread")]
async fn ready(url: &str) -> String {
    reqwest::get(format!("{url}/health/ready")).await.unwrap().text().await.unwrap()
}

async fn until_unavailable(log: &RedisLog) -> String {
    let message = std::sync::Mutex::new(String::new());
    until("the log takes no writes", async || match log.check().await {
        Err(LogError::Unavailable { message: found, .. }) if found.contains("replica") => {
            *message.lock().unwrap() = found;
            true
        }
        _ => false,
    })
    .await;
    message.into_inner().unwrap()
}
