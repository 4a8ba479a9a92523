//! What others can make grow, up to its bound and beyond (docs/bounds.md).

mod support;

use ackwire::{deliver, wire::StreamName};
use ackwire_server::{
    alerts::Thresholds,
    config::Config,
    hub::{Hub, OpenError},
    limits::Limits,
    log::{ConsumerKey, MemoryLog, Retention},
    monitor::Monitor,
};
use clap::Parser;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{Server, client::Client, until};

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
