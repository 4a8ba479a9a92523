//! The demo's hand inside the server: runs, trouble and cuts, over real HTTP.

mod support;

use ackwire_server::log::{Log, MemoryLog, Retention};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{fs, sync::Arc, time::Duration};
use support::{Server, answer, assert_refused, client::Client};
use tokio::{sync::Notify, time::timeout};

/// The end of a run comes much sooner; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server in development mode whose agent works on a small folder.
struct Dev {
    server: Server,
    log: Arc<MemoryLog>,
    _folder: tempfile::TempDir,
}

impl Dev {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let www = folder.path().join("www");
        fs::create_dir(&www).unwrap();
        fs::write(folder.path().join("README.md"), "# Ducks\n\n## Food\n").unwrap();
        fs::write(folder.path().join("pond.rs"), "pub struct PondSize;\nfn f(a: PondSize) {}\n").unwrap();
        let log = Arc::new(MemoryLog::new(Retention::default()));
        let server = Server::with_log(&["--dev", "--www", www.to_str().unwrap()], log.clone()).await;
        Self { server, log, _folder: folder }
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.server.request(Method::POST, path).json(&body)).await
    }

    /// All events of the stream, once it has ended.
    async fn whole(&self, stream: &str) -> Vec<Value> {
        let name = stream.parse().unwrap();
        let bell = Arc::new(Notify::new());
        let _watch = self.log.watch(&name, bell.clone());
        let ended = async {
            while !self.log.tail(&name).await.unwrap().ended {
                bell.notified().await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the run ends");
        let (_, page) = self.server.get(&format!("/v1/streams/{stream}/events?limit=1000")).await;
        page["events"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_run_tells_of_the_folder_around_the_page_and_ends_its_stream() {
    let dev = Dev::start().await;
    let (status, started) = dev.post("/v1/dev/runs", json!({ "term": "pond", "pace_ms": 0 })).await;
    assert_eq!(status, StatusCode::CREATED);
    let (run, stream) = (started["run"].as_str().unwrap(), started["stream"].as_str().unwrap());
    assert_eq!(stream, format!("run:{run}"));

    let events = dev.whole(stream).await;
    assert_eq!(events[0]["type"], "agent_started");
    assert_eq!(events[0]["meta"]["run_id"], run);
    assert_eq!(events.last().unwrap()["type"], "agent_completed");
    let search = events.iter().find(|event| event["data"]["tool"] == "search" && event["data"]["success"] == true);
    let search = search.expect("the search was done");
    assert_eq!(search["priority"], "critical");
    assert_eq!(search["data"]["result"]["lines"], 2);
}

#[tokio::test]
async fn an_agent_that_waits_for_confirmations_says_when_there_are_none() {
    let dev = Dev::start().await;
    let (_, started) = dev.post("/v1/dev/runs", json!({ "pace_ms": 0, "confirm_ms": 1 })).await;
    let events = dev.whole(started["stream"].as_str().unwrap()).await;
    let thoughts: String = events.iter().filter_map(|event| event["data"]["text"].as_str()).collect();
    assert!(thoughts.contains("Nobody has confirmed seeing that"), "{thoughts}");
    assert_eq!(events.last().unwrap()["type"], "agent_completed");
}

#[tokio::test]
async fn a_run_that_cannot_be_is_refused_with_the_reason() {
    let dev = Dev::start().await;
    for (body, field) in [
        (json!({ "pace_ms": 5_000 }), "`pace_ms`"),
        (json!({ "min_events": 1_000_000 }), "`min_events`"),
        (json!({ "confirm_ms": 60_000 }), "`confirm_ms`"),
        (json!({ "term": "" }), "`term`"),
        (json!({ "speed": 1 }), "`speed`"),
    ] {
        assert_refused(dev.post("/v1/dev/runs", body).await, 400, "invalid_request", &[field]);
    }
}

#[tokio::test]
async fn no_more_than_eight_runs_go_on_at_a_time() {
    let dev = Dev::start().await;
    let endless = json!({ "pace_ms": 1_000, "min_events": 100_000 });
    for _ in 0..8 {
        assert_eq!(dev.post("/v1/dev/runs", endless.clone()).await.0, StatusCode::CREATED);
    }
    assert_refused(dev.post("/v1/dev/runs", endless).await, 429, "too_many_requests", &["8"]);
}

#[tokio::test]
async fn trouble_is_set_for_one_consumer_and_can_be_read_back() {
    let dev = Dev::start().await;
    let odds = json!({ "consumer": "tab-1", "drop": 0.25, "reorder": 0.5 });
    assert_eq!(dev.post("/v1/dev/trouble", odds).await.0, StatusCode::OK);
    let (_, set) = dev.server.get("/v1/dev/trouble?consumer=tab-1").await;
    assert_eq!(set, json!({ "drop": 0.25, "duplicate": 0.0, "reorder": 0.5 }));
    let (_, other) = dev.server.get("/v1/dev/trouble?consumer=tab-2").await;
    assert_eq!(other, json!({ "drop": 0.0, "duplicate": 0.0, "reorder": 0.0 }));

    for (body, named) in [
        (json!({ "consumer": "tab-1", "drop": 1.0 }), "`drop`"),
        (json!({ "consumer": "tab-1", "delay": 0.1 }), "`delay`"),
        (json!({ "consumer": "tab 1" }), "a consumer name has"),
    ] {
        assert_refused(dev.post("/v1/dev/trouble", body).await, 400, "invalid_request", &[named]);
    }
}

#[tokio::test]
async fn a_cut_breaks_the_connection_of_one_consumer_without_a_word() {
    let dev = Dev::start().await;
    let mut one = Client::hello(&dev.server.url, "tab-1", json!([])).await;
    let mut other = Client::hello(&dev.server.url, "tab-2", json!([])).await;
    assert_eq!(dev.post("/v1/dev/cut", json!({ "consumer": "tab-1" })).await.0, StatusCode::OK);

    assert!(one.is_cut().await);
    other.send(json!({ "type": "ping" })).await;
    other.next("pong").await;
}

#[tokio::test]
async fn frames_of_a_troubled_consumer_get_lost_and_a_mark_tells() {
    let dev = Dev::start().await;
    dev.post("/v1/dev/trouble", json!({ "consumer": "tab-1", "drop": 0.9 })).await;
    let from_start = json!([{ "stream": "run:1", "from": "start", "window": { "events": 256, "bytes": 65_536 } }]);
    let mut troubled = Client::hello(&dev.server.url, "tab-1", from_start).await;
    troubled.next("subscribed").await;
    for n in 0..40 {
        dev.server.append(&format!(r#"{{"type":"step","data":{n}}}"#)).await;
    }
    // The last events are lost nine times out of ten, and so are the marks; one of them comes through.
    dev.post("/v1/dev/trouble", json!({ "consumer": "tab-1" })).await;
    let mut listed = 0;
    let upto = loop {
        let frame = troubled.next("events").await;
        listed += frame["events"].as_array().unwrap().len();
        if frame["upto"] == 40 {
            break frame["upto"].as_u64().unwrap();
        }
    };
    assert!(listed < 40, "{listed} of {upto} came");
}
