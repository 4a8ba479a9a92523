//! The demo's hand inside the server: runs, trouble, over real HTTP.

use ackwire_server::{
    config::Config,
    log::{MemoryLog, Retention},
};
use clap::Parser;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

/// A server on a free port, with a folder to work on; it stops when dropped.
struct Server {
    base: String,
    client: Client,
    log: Arc<MemoryLog>,
    _stop: oneshot::Sender<()>,
    _running: JoinHandle<()>,
}

impl Server {
    async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let www = folder.join("www");
        let config = Config::try_parse_from(["ackwire-server", "--dev", "--www", www.to_str().unwrap()]).unwrap();
        let log = Arc::new(MemoryLog::new(Retention::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = {
            let log = log.clone();
            tokio::spawn(async move {
                let shutdown = async { drop(stopped.await) };
                ackwire_server::run(listener, config, log, shutdown).await.unwrap();
            })
        };
        Self { base, client: Client::new(), log, _stop: stop, _running: running }
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.client.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    /// All events of the stream, once it has ended.
    async fn whole(&self, stream: &str) -> Vec<Value> {
        use ackwire_server::log::Log;
        let name = stream.parse().unwrap();
        let mut moved = self.log.watch(&name);
        let ended = async {
            while !self.log.tail(&name).await.unwrap().ended {
                moved.changed().await.unwrap();
            }
        };
        timeout(Duration::from_secs(20), ended).await.expect("the run ends");
        let page = self.get(&format!("/v1/streams/{stream}/events?limit=1000")).await;
        page["events"].as_array().unwrap().clone()
    }
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("www")).unwrap();
    fs::write(dir.path().join("README.md"), "# Ducks\n\n## Food\n").unwrap();
    fs::write(dir.path().join("pond.rs"), "pub struct PondSize;\nfn f(a: PondSize) {}\n").unwrap();
    dir
}

#[tokio::test]
async fn a_run_tells_of_the_folder_around_the_page_and_ends_its_stream() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let (status, started) = server.post("/v1/dev/runs", json!({ "term": "pond", "pace_ms": 0 })).await;
    assert_eq!(status, StatusCode::CREATED);
    let (run, stream) = (started["run"].as_str().unwrap(), started["stream"].as_str().unwrap());
    assert_eq!(stream, format!("run:{run}"));

    let events = server.whole(stream).await;
    assert_eq!(events[0]["type"], "agent_started");
    assert_eq!(events[0]["meta"]["run_id"], run);
    assert_eq!(events.last().unwrap()["type"], "agent_completed");
    let search = events.iter().find(|event| event["data"]["tool"] == "search" && event["data"]["success"] == true);
    let search = search.expect("the search was done");
    assert_eq!(search["priority"], "critical");
    assert_eq!(search["data"]["result"]["lines"], 2);
}

#[tokio::test]
async fn a_run_that_cannot_be_is_refused_with_the_reason() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for (body, field) in [
        (json!({ "pace_ms": 5_000 }), "`pace_ms`"),
        (json!({ "min_events": 1_000_000 }), "`min_events`"),
        (json!({ "term": "" }), "`term`"),
        (json!({ "speed": 1 }), "`speed`"),
    ] {
        let (status, answer) = server.post("/v1/dev/runs", body).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(status.is_client_error() && message.contains(field), "{status} {message}");
    }
}

#[tokio::test]
async fn trouble_is_set_for_one_consumer_and_can_be_read_back() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let odds = json!({ "consumer": "tab-1", "drop": 0.25, "reorder": 0.5 });
    assert_eq!(server.post("/v1/dev/trouble", odds).await.0, StatusCode::OK);
    let set = server.get("/v1/dev/trouble?consumer=tab-1").await;
    assert_eq!(set, json!({ "drop": 0.25, "duplicate": 0.0, "reorder": 0.5 }));
    let other = server.get("/v1/dev/trouble?consumer=tab-2").await;
    assert_eq!(other, json!({ "drop": 0.0, "duplicate": 0.0, "reorder": 0.0 }));

    for (body, field) in [
        (json!({ "consumer": "tab-1", "drop": 1.0 }), "`drop`"),
        (json!({ "consumer": "tab-1", "delay": 0.1 }), "`delay`"),
        (json!({ "consumer": "tab 1" }), "a consumer name has"),
    ] {
        let (status, answer) = server.post("/v1/dev/trouble", body).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(status.is_client_error() && message.contains(field), "{status} {message}");
    }
}
