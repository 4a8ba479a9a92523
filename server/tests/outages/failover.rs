//! A replica takes the primary's place while everybody is at work.

use crate::{
    drill::{Drill, compare, held},
    support::{
        Server,
        client::Client,
        redis::{Redis, Sentinel},
        route::Route,
    },
};
use ackwire_server::{
    config::{Config, LogKind},
    log::{RedisLog, RedisSettings, Retention},
};
use clap::Parser;
use serde_json::json;

/// The setting says how many replicas an answer waits for; by default it waits for none.
fn settings(url: &str, replicas: Option<&str>) -> RedisSettings {
    let flags = replicas.map(|count| ["--redis-replicas", count]);
    let flags = ["ackwire-server", "--log", url].into_iter().chain(flags.into_iter().flatten());
    match Config::try_parse_from(flags).unwrap().log_kind() {
        Ok(LogKind::Redis(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

/// [AW-SEQ], [AW-EPOCH]: the primary dies, and its replica does not have the last of what producers were told it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_lacks_is_said_to_be_lost() {
    let (Some(mut primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    replica.follow(&primary).await;
    let route = Route::to(primary.port()).await;
    let settings = settings(&format!("redis://127.0.0.1:{}", route.port()), None);
    assert_eq!(settings.replicas, 0);
    let drill = Drill::begin(settings).await;

    // From here on the replica hears nothing, and the primary goes on for a while.
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    drill.answered(40).await;
    let log = replica.log(Retention::default());
    primary.kill();
    route.turn(replica.port());
    drill.answered(80).await;

    // Somebody who has the last of what is lost comes to another server: it is told so.
    let before = held(&log, "run:0").await;
    let hole = before.holes[0];
    let ahead = hole.after().get() + 1;
    let from = json!({ "epoch": before.epoch, "seq": ahead });
    let window = json!({ "events": 10_000, "bytes": 1 << 20 });
    let subscription = json!([{ "stream": "run:0", "from": from, "window": window }]);
    let mut client = Client::hello(&drill.other().url, "ahead", subscription).await;
    let subscribed = client.next("subscribed").await;
    let lost = if subscribed["lost"].is_null() { client.next("lost").await } else { subscribed["lost"].clone() };
    assert_eq!([&lost["after"], &lost["upto"]], [&json!(ahead), &json!(hole.upto())], "{subscribed}");
    drop(client);

    let (answers, accounts) = drill.end(&log).await;
    let missing = compare(&log, &answers, &accounts).await;
    assert!(missing > 0, "nothing was lost that had been answered, so nothing was tried");
}

/// The same, with servers that answer once a replica has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_were_waited_for_is_not_lost() {
    let (Some(mut primary), Some(replica), Some(third)) = (Redis::start(), Redis::start(), Redis::start()) else {
        return;
    };
    replica.follow(&primary).await;
    let route = Route::to(primary.port()).await;
    let drill = Drill::begin(settings(&format!("redis://127.0.0.1:{}", route.port()), Some("1"))).await;
    primary.kill();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    third.follow(&replica).await;
    route.turn(replica.port());
    drill.answered(80).await;
    let log = replica.log(Retention::default());
    let (answers, accounts) = drill.end(&log).await;
    assert_eq!(compare(&log, &answers, &accounts).await, 0);
}

/// Sentinels find that the primary is gone, and say who is the primary now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_name_the_new_primary() {
    let (Some(mut primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    replica.follow(&primary).await;
    let sentinel = Sentinel::watch(&primary, 1).await;
    let drill = Drill::begin(settings(&sentinel.url(), None)).await;
    primary.kill();
    drill.answered(80).await;
    let log = replica.log(Retention::default());
    let (answers, accounts) = drill.end(&log).await;
    compare(&log, &answers, &accounts).await;
}

/// A replica that servers are sent to by mistake takes nothing, and they say so.
#[tokio::test]
async fn a_replica_is_not_taken_for_the_primary() {
    let (Some(primary), Some(replica)) = (Redis::start(), Redis::start()) else { return };
    replica.follow(&primary).await;
    let log = RedisLog::new(settings(&replica.url(), None), Retention::default());
    let server = Server::with_log(&["--dev", "--drain", "0s"], std::sync::Arc::new(log)).await;
    let (status, ready) = server.get("/health/ready").await;
    assert_eq!(status, 503);
    assert!(ready["message"].as_str().unwrap().contains("it is a replica"), "{ready}");
    server.stop().await;
}
