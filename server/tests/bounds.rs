//! What others can make grow, up to its bound and beyond (docs/bounds.md).

mod support;

use ackwire::{
    base::Instant,
    deliver,
    wire::{Ack, From, Position, SUBPROTOCOL, Seq, SeqRange, StreamName, Subscribe, Window},
};
use ackwire_server::{
    alerts::Thresholds,
    config::Config,
    hub::{Hub, Listing, OpenError, Selection},
    limits::{Limits, MAX_LOOKED_AT, MAX_PUBLISHES, MAX_WAITING_FRAMES},
    log::{Bell, ConsumerKey, MemoryLog, NewEvent, Retention},
    monitor::Monitor,
};
use clap::Parser;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{
    Server, answer, assert_refused,
    client::Client,
    gate::{Gate, GatedLog},
    metric, until, until_metric,
};
use tokio_tungstenite::tungstenite::{Error, Message};

fn subscription(stream: &str) -> Value {
    json!({ "stream": stream, "from": "start", "window": { "events": 256, "bytes": 1 << 20 } })
}

fn limits(flags: &[&str]) -> Limits {
    Config::try_parse_from(["ackwire-server", "--dev"].iter().chain(flags)).unwrap().limits
}

fn hub(flags: &[&str]) -> Arc<Hub> {
    let log = Arc::new(MemoryLog::new(Retention::default()));
    let thresholds =
        Thresholds { silence: ackwire::base::Duration::from_secs(30), tool: ackwire::base::Duration::from_secs(60) };
    Hub::new(log, Monitor::new(thresholds), deliver::Config::default(), &limits(flags))
}

fn key(consumer: &str) -> ConsumerKey {
    ConsumerKey { subject: None, consumer: consumer.parse().unwrap() }
}

fn stream(name: &str) -> StreamName {
    name.parse().unwrap()
}

/// Who need not be told that something was done to a feed.
struct Nobody;

impl Bell for Nobody {
    fn ring(&self) {}
}

#[tokio::test]
async fn subscriptions_in_memory_are_bounded_and_one_that_ends_makes_room() {
    let server = Server::start(&["--dev", "--max-feeds", "2"]).await;
    let mut first = Client::hello(&server.url, "first", json!([subscription("a"), subscription("b")])).await;
    first.next("subscribed").await;
    first.next("subscribed").await;

    let mut second = Client::hello(&server.url, "second", json!([subscription("a")])).await;
    let refused = second.next("error").await;
    assert_eq!((&refused["code"], &refused["stream"]), (&json!("too_many_requests"), &json!("a")));
    assert!(refused["message"].as_str().unwrap().contains("--max-feeds"), "{refused}");

    first.send(json!({ "type": "unsubscribe", "stream": "b" })).await;
    let mut last = String::new();
    while last != "subscribed" {
        second.send(json!({ "type": "subscribe", "stream": "a", "from": "start", "window": { "events": 1, "bytes": 1024 } })).await;
        last = second.any().await["type"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn what_was_opened_and_never_used_leaves_the_memory() {
    let hub = hub(&[]);
    for number in 0..100 {
        drop(hub.open(&stream("run:1"), &key(&format!("tab-{number}"))).await.unwrap());
    }
    until("nothing is in memory", async || hub.depths().feeds == 0).await;
}

#[tokio::test]
async fn the_bound_holds_for_operations_too() {
    let hub = hub(&["--max-feeds", "1"]);
    let held = hub.open(&stream("run:1"), &key("tab")).await.unwrap();
    assert!(hub.open(&stream("run:1"), &key("tab")).await.is_ok(), "what is in memory is found");
    let refused = hub.open(&stream("run:1"), &key("other")).await.map(|_| ());
    assert_eq!(refused, Err(OpenError::TooMany(1)));
    drop(held);
}

/// Frames that wait for slow sockets.
const WAITING: &str = "ackwire_websocket_frames_waiting";
/// How often a number is looked at again to see that it stays.
const LOOKS: usize = 20;

#[tokio::test]
async fn one_connection_too_many_is_refused_and_one_that_ends_makes_room() {
    let server = Server::start(&["--dev", "--max-connections", "2"]).await;
    let (first, _second) = (Client::connect(&server.url).await, Client::connect(&server.url).await);
    let connect = async || Client::try_connect(&server.url, &[("sec-websocket-protocol", SUBPROTOCOL)]).await;
    let Err(Error::Http(refused)) = connect().await else { panic!("a third connection") };
    assert_eq!(refused.status(), 503);
    let text = String::from_utf8(refused.into_body().unwrap()).unwrap();
    assert!(text.contains("--max-connections"), "{text}");
    first.close().await;
    until("there is room", async || connect().await.is_ok()).await;
}

#[tokio::test]
async fn a_log_in_memory_takes_so_many_streams_and_no_more() {
    let log = MemoryLog::new(Retention::default()).with_max_streams(2);
    let server = Server::with_log(&["--dev"], Arc::new(log)).await;
    let append = async |stream: &str| {
        let request = server.request(reqwest::Method::POST, &format!("/v1/streams/{stream}/events"));
        answer(request.header("content-type", "application/json").body(r#"{"type": "t"}"#)).await
    };
    assert_eq!((append("a").await.0, append("b").await.0), (StatusCode::CREATED, StatusCode::CREATED));
    assert_refused(append("c").await, 503, "unavailable", &["--max-streams"]);
    assert_eq!(append("a").await.0, StatusCode::CREATED, "those that are there go on");
    let mut tab = Client::hello(&server.url, "tab", json!([subscription("c"), subscription("a")])).await;
    assert_eq!(tab.next("error").await["stream"], "c");
    assert_eq!(tab.next("subscribed").await["stream"], "a");
}

#[tokio::test]
async fn publishes_that_wait_for_the_log_are_bounded_by_not_reading_on() {
    let log = Arc::new(GatedLog::new(Gate::Closed));
    let server = Server::with_log(&["--dev"], log.clone()).await;
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    let received = "ackwire_websocket_received_bytes_total";
    let before = metric(&server, received).await;
    let publish = |number: usize| json!({ "type": "publish", "stream": "run:1", "id": format!("{number:04}"), "event_type": "t", "data": null });
    let (all, bytes) = (3 * MAX_PUBLISHES, publish(0).to_string().len());
    for number in 0..all {
        tab.send(publish(number)).await;
    }
    let taken = before + MAX_PUBLISHES * bytes;
    until_metric(&server, received, |bytes| bytes == taken).await;
    for _ in 0..LOOKS {
        assert_eq!(metric(&server, received).await, taken, "no more is read");
    }
    log.set(Gate::Open);
    for number in 0..all {
        assert_eq!(tab.next("published").await["seq"], number + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_wait_for_a_full_socket_are_bounded() {
    let server = Server::start(&["--dev"]).await;
    let event = json!({ "type": "ballast", "data": "x".repeat(64 << 10) });
    for _ in 0..4 {
        let (status, json) = server.append(&json!(vec![event.clone(); 100]).to_string()).await;
        assert!(status.is_success(), "{json}");
    }
    let whole = json!({ "stream": "run:1", "from": "start", "window": { "events": 10_000, "bytes": 64 << 20 } });
    let mut slow = Client::hello(&server.url, "slow", json!([whole])).await;
    // Feeds stop first, at a mebibyte: a frame has three of these events, which is 192 KiB.
    until_metric(&server, WAITING, |frames| frames == 6).await;
    // In the middle of a frame the WebSocket's own pong has to wait.
    slow.send_socket_ping("now").await;
    // Answers go on, up to a bound of their own; then nothing more is read.
    let pings = 4 * MAX_WAITING_FRAMES;
    for _ in 0..pings {
        slow.send(json!({ "type": "ping" })).await;
    }
    until_metric(&server, WAITING, |frames| frames == MAX_WAITING_FRAMES).await;
    for _ in 0..LOOKS {
        assert_eq!(metric(&server, WAITING).await, MAX_WAITING_FRAMES);
    }
    // Once it is read everything comes.
    let (mut events, mut pongs, mut socket_pongs) = (0, 0, 0);
    while (events, pongs, socket_pongs) != (400, pings, 1) {
        let frame: Value = match slow.message().await.unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            Message::Pong(payload) if payload == "now" => {
                socket_pongs += 1;
                continue;
            }
            other => panic!("{other:?}"),
        };
        match frame["type"].as_str().unwrap() {
            "events" => events += frame["events"].as_array().unwrap().len(),
            "pong" => pongs += 1,
            other => assert!(["subscribed", "ping"].contains(&other), "{other}"),
        }
    }
    until_metric(&server, WAITING, |frames| frames == 0).await;
}

#[tokio::test]
async fn consumers_that_cannot_be_saved_are_bounded_too() {
    let log = Arc::new(GatedLog::new(Gate::Busy));
    let server = Server::with_log(&["--dev", "--max-feeds", "3"], log.clone()).await;
    // Each leaves something to be saved, and the log does not take it.
    for number in 0..3 {
        let mut tab = Client::hello(&server.url, &format!("tab-{number}"), json!([subscription("run:1")])).await;
        tab.next("subscribed").await;
        tab.close().await;
    }
    let mut late = Client::hello(&server.url, "late", json!([subscription("run:1")])).await;
    assert_eq!(late.next("error").await["code"], "too_many_requests");
    log.set(Gate::Open);
    until_metric(&server, "ackwire_feeds", |feeds| feeds == 0).await;
}

/// For a list, so many events of a consumer are looked at: in one piece, and told apart by holes.
#[tokio::test]
async fn a_list_looks_at_so_many_events_of_a_consumer() {
    let most = MAX_LOOKED_AT as u64;
    for has_holes in [false, true] {
        let hub = hub(&[]);
        let (stream, connection, now) = (stream("run:1"), 1, Instant::from_millis(1));
        let wanted = if has_holes { 2 * most + 1 } else { most + 1 };
        let event = |n: u64| NewEvent {
            id: n.to_string().parse().unwrap(),
            event_type: "t".parse().unwrap(),
            time: 0,
            data: serde_json::value::RawValue::NULL.to_owned(),
            priority: Default::default(),
            meta: (n == wanted).then(|| ("run_id".to_owned(), "wanted".to_owned())).into_iter().collect(),
            deadline_ms: None,
            retries: None,
        };
        hub.log().append(&stream, (1..=wanted).map(event).collect()).await.unwrap();
        let (slot, tail) = hub.open(&stream, &key("tab")).await.unwrap();
        let epoch = tail.epoch.clone();
        let from = From::Position(Position { epoch: epoch.clone(), seq: Seq::ZERO });
        let subscribe =
            Subscribe { stream: stream.clone(), from, also: Vec::new(), window: Window::default(), filter: None };
        slot.take_over(connection, Arc::new(Nobody), |feed| feed.attach(now, &subscribe, tail));
        let ack = |upto: u64, also: Vec<SeqRange>| {
            let ack = Ack::new(stream.clone(), epoch.clone(), Seq::new(upto).unwrap(), also);
            slot.with(connection, |feed| feed.handle_ack(now, &ack)).unwrap().unwrap();
        };
        let even: Vec<SeqRange> = (2..wanted).step_by(2).filter_map(|n| SeqRange::single(Seq::new(n).ok()?)).collect();
        even.chunks(64).filter(|_| has_holes).for_each(|some| ack(0, some.to_vec()));

        let meta = [("run_id".to_owned(), "wanted".to_owned())].into();
        let selection = Selection { meta, ..Selection::default() };
        let listed = async || hub.list(&stream, Listing::Pending, &selection, 1_000).await.unwrap().len();
        assert_eq!(listed().await, 0, "it is one beyond, with holes: {has_holes}");
        ack(1, Vec::new());
        assert_eq!(listed().await, 1, "with holes: {has_holes}");
    }
}
