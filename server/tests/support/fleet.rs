//! Servers that share a log.

use super::{Server, answer, client::Client, redis::Redis, until};
use ackwire_server::log::{Log, MemoryLog, Retention, SqliteLog};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Arc};
use tempfile::TempDir;

/// Two servers on one log; where a log is one server's, the same server twice.
pub struct Fleet {
    one: Server,
    two: Option<Server>,
    _keeper: Keeper,
}

/// What keeps the log.
pub enum Keeper {
    Process,
    Folder(TempDir),
    Redis(Redis),
}

impl Fleet {
    pub async fn start(keeper: Keeper, flags: &[&str]) -> Self {
        let flags = [&["--dev", "--drain", "0s"], flags].concat();
        let log: Arc<dyn Log> = match &keeper {
            Keeper::Process => Arc::new(MemoryLog::new(Retention::default())),
            Keeper::Folder(folder) => Arc::new(SqliteLog::open(folder.path(), Retention::default()).unwrap()),
            Keeper::Redis(redis) => Arc::new(redis.log(Retention::default())),
        };
        let one = Server::with_log(&flags, log).await;
        let two = match &keeper {
            Keeper::Redis(redis) => Some(Server::with_log(&flags, Arc::new(redis.log(Retention::default()))).await),
            _ => None,
        };
        Self { one, two, _keeper: keeper }
    }

    pub fn one(&self) -> &Server {
        &self.one
    }

    pub fn two(&self) -> &Server {
        self.two.as_ref().unwrap_or(&self.one)
    }
}

/// A page: a connection of a consumer that resumes the stream `run:1`, and what it knows of it.
pub struct Page {
    pub client: Client,
    pub subscribed: Value,
    events: VecDeque<Value>,
}

impl Page {
    pub async fn open(url: &str, consumer: &str) -> Self {
        let window = json!({ "events": 10, "bytes": 65536 });
        let subscription = json!([{ "stream": "run:1", "from": "resume", "window": window }]);
        let mut client = Client::hello(url, consumer, subscription).await;
        let subscribed = client.next("subscribed").await;
        Self { client, subscribed, events: VecDeque::new() }
    }

    /// The next event that is sent: frames without one are let go.
    pub async fn event(&mut self) -> Value {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let frame = self.client.any().await;
            self.events.extend(frame["events"].as_array().into_iter().flatten().cloned());
        }
    }

    pub async fn ack(&mut self, event: &Value) {
        self.say(json!({ "type": "ack", "upto": event["seq"] })).await;
    }

    pub async fn nack(&mut self, event: &Value, retry: bool) {
        let attempt = event.get("attempt").cloned().unwrap_or(json!(1));
        let nack = json!({ "type": "nack", "seq": event["seq"], "attempt": attempt, "error": "boom", "retry": retry });
        self.say(nack).await;
    }

    async fn say(&mut self, mut frame: Value) {
        frame["stream"] = "run:1".into();
        frame["epoch"] = self.subscribed["epoch"].clone();
        self.client.send(frame).await;
    }
}

/// Appends an event to `run:1`; its seq.
pub async fn append(server: &Server, id: &str) -> Value {
    let (status, appended) = server.append(&json!({ "id": id, "type": "x", "data": 1 }).to_string()).await;
    assert_eq!(status, 201, "{appended}");
    appended["events"][0]["seq"].clone()
}

/// Does something to an event of `run:1` for a consumer.
pub async fn post(server: &Server, path: &str, consumer: &str) -> (StatusCode, Value) {
    let request = server.request(Method::POST, &format!("/v1/streams/run:1{path}"));
    answer(request.json(&json!({ "consumer": consumer }))).await
}

/// What became of an event of `run:1` for its first consumer.
pub async fn delivery(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/streams/run:1/events/{id}")).await.1["deliveries"][0].clone()
}

/// Looks until an event of `run:1` has failed so often for its first consumer. A page that nacks and is replaced at once may
/// have said it in vain.
pub async fn until_failed(server: &Server, id: &str, times: u64) {
    let failures = async || delivery(server, id).await["failures"].as_array().map_or(0, Vec::len);
    until("it failed", async || failures().await as u64 >= times).await;
}
