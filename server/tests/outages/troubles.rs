//! What Redis can suffer without being replaced: servers keep their clients, tell producers to try again, say that they are
//! not ready, and go on by themselves when it is over.

use crate::support::{Server, answer_of, assert_refused, client::Client, header, redis::Redis, until};
use ackwire::wire::{Seq, SeqRange, StreamName};
use ackwire_server::log::{Log, NewEvent, PageLimit, RedisLog, RedisSettings, Retention};
use reqwest::Method;
use serde_json::{Value, json, value::to_raw_value};
use std::sync::Arc;
use tokio::{sync::oneshot, task::spawn_blocking};

/// Makes the trouble, looks at what everybody is told meanwhile, ends it, and looks whether all goes on. What is said of it
/// names each of these.
async fn lives_through(mut redis: Redis, named: &[&str], make: impl FnOnce(&mut Redis), end: impl FnOnce(&mut Redis)) {
    let server = Server::with_log(&["--dev", "--drain", "0s"], Arc::new(redis.log(Retention::default()))).await;
    let window = json!({ "events": 10, "bytes": 65536 });
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": window }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let epoch = client.next("subscribed").await["epoch"].clone();
    assert_eq!(append(&server, "before").await, 201);
    confirm(&mut client, &epoch, "before").await;
    until_confirmed(&server).await;

    make(&mut redis);
    let ready = async {
        until("it is not ready", async || server.get("/health/ready").await.0 == 503).await;
        server.get("/health/ready").await.1["message"].to_string()
    };
    let refused = async {
        let request = server.request(Method::POST, "/v1/streams/run:1/events").json(&event("during"));
        let refused = request.send().await.unwrap();
        assert_eq!(header(&refused, "retry-after"), "1");
        answer_of(refused).await
    };
    let publish = json!({ "type": "publish", "stream": "run:1", "id": "published", "event_type": "x", "data": 1 });
    client.send(publish).await;
    let rejected = async {
        let rejected = client.next("rejected").await;
        assert_eq!(rejected["code"], "unavailable", "{rejected}");
    };
    let (ready, refused, ()) = tokio::join!(ready, refused, rejected);
    named.iter().for_each(|name| assert!(ready.contains(name), "`{ready}` names `{name}`"));
    assert_refused(refused, 503, "unavailable", &["redis://127.0.0.1", "try again"]);

    end(&mut redis);
    until("it is ready again", async || server.get("/health/ready").await.0 == 200).await;
    let status = append(&server, "during").await;
    assert!(matches!(status, 200 | 201), "{status}");
    // On the same connection.
    confirm(&mut client, &epoch, "during").await;
    until_confirmed(&server).await;
    drop(client);
    server.stop().await;
}

fn event(id: &str) -> Value {
    json!({ "id": id, "type": "x", "data": 1 })
}

async fn append(server: &Server, id: &str) -> u16 {
    server.append(&event(id).to_string()).await.0.as_u16()
}

/// Waits for the event, and confirms it. What else was asked for meanwhile may have come to the log, too, and what Redis
/// cannot vouch for is said to be lost.
async fn confirm(client: &mut Client, epoch: &Value, id: &str) {
    loop {
        let frame = client.any().await;
        let is_there = frame["events"].as_array().is_some_and(|events| events.iter().any(|event| event["id"] == id));
        match frame["type"].as_str() {
            Some("events" | "lost") => {
                let ack = json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": frame["upto"] });
                client.send(ack).await;
            }
            _ => panic!("{frame}"),
        }
        if is_there {
            return;
        }
    }
}

/// What the client has confirmed is saved.
async fn until_confirmed(server: &Server) {
    until("everything is confirmed", async || {
        let (_, stream) = server.get("/v1/streams/run:1").await;
        let (_, consumers) = server.get("/v1/streams/run:1/consumers").await;
        !stream["head"].is_null() && consumers["consumers"][0]["confirmed"] == stream["head"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_away() {
    let Some(redis) = Redis::start() else { return };
    lives_through(redis, &["cannot be reached"], Redis::kill, Redis::restart).await;
}

/// While it reads its file it says of itself that it writes none: it is not taken at its word, and nothing is called lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_long_in_starting() {
    // A thousandth of a second for each entry that it reads, so that somebody asks meanwhile.
    let Some(mut redis) = Redis::with(&["--key-load-delay", "1000"]) else { return };
    let log = Arc::new(redis.log(Retention::default()));
    let stream: StreamName = "run:1".parse().unwrap();
    let event = |n: u64| NewEvent::new("x".parse().unwrap(), to_raw_value(&n).unwrap());
    for n in 0..300 {
        log.append(&stream, vec![event(n)]).await.unwrap();
    }
    redis.kill();
    let (restarted, mut is_restarted) = oneshot::channel();
    let starting = spawn_blocking(move || {
        redis.restart();
        restarted.send(()).unwrap();
        redis
    });
    while is_restarted.try_recv().is_err() {
        // However often it is asked.
        drop(log.check().await);
    }
    let _redis = starting.await.unwrap();
    until("it can be used", async || log.append(&stream, vec![event(300)]).await.is_ok()).await;
    let range = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
    let page = log.read(&stream, range, PageLimit { events: 1_000, bytes: 1 << 20 }).await.unwrap();
    assert_eq!((page.entries.len(), page.compacted), (301, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_answer() {
    let Some(redis) = Redis::start() else { return };
    lives_through(redis, &["did not answer in time"], |redis| redis.signal("STOP"), |redis| redis.signal("CONT")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_full() {
    let Some(redis) = Redis::start() else { return };
    let memory =
        |bytes: &'static str| move |redis: &mut Redis| drop(redis.command(&["CONFIG", "SET", "maxmemory", bytes]));
    lives_through(redis, &["no memory left", "maxmemory"], memory("1"), memory("0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_no_writes() {
    let Some(redis) = Redis::start() else { return };
    // Of a primary that is nowhere.
    let follow = |redis: &mut Redis| drop(redis.command(&["REPLICAOF", "127.0.0.1", "1"]));
    let lead = |redis: &mut Redis| drop(redis.command(&["REPLICAOF", "NO", "ONE"]));
    lives_through(redis, &["it is a replica"], follow, lead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_misses_its_replicas() {
    let Some(redis) = Redis::start() else { return };
    let wants = |count: &'static str| {
        move |redis: &mut Redis| drop(redis.command(&["CONFIG", "SET", "min-replicas-to-write", count]))
    };
    lives_through(redis, &["min-replicas-to-write"], wants("1"), wants("0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_refuses_its_user() {
    let Some(redis) = Redis::start() else { return };
    // Who is connected stays who it was: it has to come anew.
    let refuse = |redis: &mut Redis| {
        redis.command(&["ACL", "SETUSER", "default", "-@write"]);
    };
    let allow = |redis: &mut Redis| drop(redis.command(&["ACL", "SETUSER", "default", "+@all"]));
    lives_through(redis, &["refuses this user", "ACL"], refuse, allow).await;
}

/// The user that the operations guide makes may do all that a log does, and what does not concern it, it may not.
#[tokio::test]
async fn the_guides_user_is_enough() {
    let Some(redis) = Redis::start() else { return };
    let guide = include_str!("../../../docs/operations.md");
    let user = guide.lines().find_map(|line| line.strip_prefix("user ")).expect("the guide has a user");
    redis.command(&[&["ACL", "SETUSER"], user.split(' ').collect::<Vec<_>>().as_slice()].concat());
    let url = redis.url().replace("redis://", "redis://ackwire:password@");
    let mut connection = redis::Client::open(url.clone()).unwrap().get_connection().unwrap();
    for command in ["FLUSHALL", "KEYS", "SHUTDOWN"] {
        let refused = redis::cmd(command).arg("ackwire:*").query::<redis::Value>(&mut connection).unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{command}");
    }
    let settings = RedisSettings { url: url.parse().unwrap(), replicas: 0 };
    let retention = Retention { events: Some(1), ..Retention::default() };
    let log: Arc<dyn Log> = Arc::new(RedisLog::new(settings, retention));
    let server = Server::with_log(&["--dev", "--drain", "0s"], log.clone()).await;
    let window = json!({ "events": 10, "bytes": 65536 });
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": window }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let epoch = client.next("subscribed").await["epoch"].clone();
    for id in ["a", "b"] {
        assert_eq!(append(&server, id).await, 201);
        confirm(&mut client, &epoch, id).await;
    }
    until_confirmed(&server).await;
    assert_eq!(server.get("/health/ready").await.0, 200);
    assert_eq!(server.get("/v1/streams/run:1/events/b").await.0, 200);
    assert_eq!(server.get("/v1/consumers/tab/pending").await.0, 200);
    log.trim(ackwire_server::clock::unix_ms() + (1 << 40)).await.unwrap();
    drop(client);
    server.stop().await;
}

/// [AW-SUB-5]: it throws events away. Who watches the stream is told that it is another one now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_evicts() {
    let Some(redis) = Redis::start() else { return };
    let server = Server::with_log(&["--dev", "--drain", "0s"], Arc::new(redis.log(Retention::default()))).await;
    let window = json!({ "events": 10, "bytes": 65536 });
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": window }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let epoch = client.next("subscribed").await["epoch"].clone();
    assert_eq!(append(&server, "before").await, 201);
    confirm(&mut client, &epoch, "before").await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    // A write makes it look for room: everything goes.
    until("it has thrown everything away", async || {
        append(&server, "after").await;
        redis.command(&["DBSIZE"]) == redis::Value::Int(0)
    })
    .await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    until("it takes events again", async || append(&server, "after").await == 201).await;
    // It is put off, comes again, and hears of it.
    assert_eq!(client.closed().await, (1012, "the log of a stream was replaced".into()));
    let from = json!({ "epoch": epoch, "seq": 1 });
    let subscription = json!([{ "stream": "run:1", "from": from, "window": window }]);
    let mut client = Client::hello(&server.url, "tab", subscription).await;
    let subscribed = client.next("subscribed").await;
    assert_eq!(subscribed["reset"]["epoch"], epoch, "{subscribed}");
    assert_eq!(client.next("events").await["events"][0]["id"], "after");
    drop(client);
    server.stop().await;
}
