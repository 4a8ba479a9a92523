//! A real server on a real port, in this process.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod client;
pub mod disk;
pub mod fleet;
pub mod gate;
pub mod program;
pub mod raw;
pub mod redis;
pub mod route;
pub mod run;
pub mod token;

use ackwire_server::{
    config::Config,
    log::{Log, MemoryLog, Retention},
    run,
};
use clap::Parser;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, Once},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// What is awaited comes much sooner; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// With these flags and an empty log in memory.
    pub async fn start(flags: &[&str]) -> Self {
        Self::with_log(flags, Arc::new(MemoryLog::new(Retention::default()))).await
    }

    pub async fn with_log(flags: &[&str], log: Arc<dyn Log>) -> Self {
        LOGGING.call_once(log_to_file);
        let config = Config::try_parse_from(["ackwire-server"].iter().chain(flags)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            run(listener, config, log, async { stopped.await.unwrap_or(()) }).await.unwrap();
        });
        Self { url, stop, task }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Appends a JSON text to the stream `run:1`.
    pub async fn append(&self, json: &str) -> (StatusCode, Value) {
        self.append_as("application/json", json.to_owned()).await
    }

    pub async fn append_as(&self, content_type: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.request(Method::POST, "/v1/streams/run:1/events").header("content-type", content_type);
        answer(request.body(body)).await
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

static LOGGING: Once = Once::new();

/// Has what the servers of this process log written to where `npm test` looks for tokens in it.
fn log_to_file() {
    let Some(folder) = std::env::var_os("ACKWIRE_TEST_LOGS") else { return };
    let name = format!("{}-{}.log", env!("CARGO_CRATE_NAME"), std::process::id());
    let file = std::fs::File::create(std::path::Path::new(&folder).join(name)).unwrap();
    let log = tracing_subscriber::fmt().with_env_filter("off,ackwire_server=trace,ackwire=trace");
    log.with_writer(Mutex::new(file)).with_ansi(false).init();
}

/// Looks until it is so; the condition, not the time, ends it.
pub async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let waiting = async {
        while !look().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A number of `/metrics`, by name and labels.
pub async fn metric(server: &Server, name: &str) -> usize {
    let text = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
}

/// Waits until a number of `/metrics` is as wanted.
pub async fn until_metric(server: &Server, name: &str, wanted: impl Fn(usize) -> bool) {
    until(name, async || wanted(metric(server, name).await)).await;
}

/// The status and the JSON of the answer.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    answer_of(request.send().await.unwrap()).await
}

/// The same of an answer that has come.
pub async fn answer_of(response: Response) -> (StatusCode, Value) {
    let (status, text) = (response.status(), response.text().await.unwrap());
    let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} without JSON ({error}): {text}"));
    (status, json)
}

/// Checks that a request was refused with this code, and that its message names each of these.
#[track_caller]
pub fn assert_refused((status, json): (StatusCode, Value), expected: u16, code: &str, named: &[&str]) {
    assert_eq!((status.as_u16(), json["error"]["code"].as_str()), (expected, Some(code)), "{json}");
    let message = json["error"]["message"].as_str().unwrap();
    for name in named {
        assert!(message.contains(name), "`{message}` names `{name}`");
    }
}

/// One header of an answer.
pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}
