//! Producers that append and clients that read, for as long as something happens to the Redis behind their servers; then
//! everything is compared.

use crate::support::{Server, answer, client::Client, until};
use ackwire::wire::{Epoch, Seq, SeqRange, StreamName};
use ackwire_server::log::{Log, PageLimit, RedisLog, RedisSettings, Retention};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::watch, task::JoinHandle};

const STREAMS: [&str; 2] = ["run:0", "run:1"];
const PRODUCERS: usize = 4;

/// Two servers on one Redis, two producers at each, a client at the second.
pub struct Drill {
    servers: Arc<[Server; 2]>,
    answers: Arc<Mutex<Vec<Answer>>>,
    is_over: Arc<AtomicBool>,
    producers: Vec<JoinHandle<()>>,
    halt: watch::Sender<BTreeMap<String, u64>>,
    reader: JoinHandle<BTreeMap<String, Account>>,
}

/// A producer was told that its event is in the log.
#[derive(Clone, Debug)]
pub struct Answer {
    pub stream: String,
    pub id: String,
    pub seq: u64,
}

/// What a client was told of a stream, in this order: seqs with their ids, and ranges that are lost.
#[derive(Debug, Default)]
pub struct Account {
    pub epoch: String,
    pub events: Vec<(u64, String)>,
    pub lost: Vec<(u64, u64)>,
    cursor: u64,
}

/// What a log holds of a stream.
#[derive(Debug)]
pub struct Held {
    pub epoch: Epoch,
    pub head: u64,
    pub events: BTreeMap<u64, String>,
    /// What may be missing.
    pub holes: Vec<SeqRange>,
}

impl Drill {
    pub async fn begin(settings: RedisSettings) -> Self {
        let start = async || {
            let log = RedisLog::new(settings.clone(), Retention::default());
            Server::with_log(&["--dev", "--drain", "0s"], Arc::new(log)).await
        };
        let servers = Arc::new([start().await, start().await]);
        let (answers, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let producers = (0..PRODUCERS)
            .map(|number| tokio::spawn(produce(number, servers.clone(), answers.clone(), is_over.clone())));
        let producers = producers.collect();
        let (halt, until) = watch::channel(BTreeMap::new());
        let reader = tokio::spawn(read(servers[1].url.clone(), until));
        let drill = Self { servers, answers, is_over, producers, halt, reader };
        drill.answered(40).await;
        drill
    }

    /// The server that the client is not at.
    pub fn other(&self) -> &Server {
        &self.servers[0]
    }

    /// Waits until so many more events are answered.
    pub async fn answered(&self, more: usize) {
        let count = || self.answers.lock().unwrap().len();
        let wanted = count() + more;
        until("producers are answered", async || count() >= wanted).await;
    }

    /// Lets everybody come to the end of what there is; what producers and the client were told.
    pub async fn end(mut self, log: &RedisLog) -> (Vec<Answer>, BTreeMap<String, Account>) {
        self.is_over.store(true, Ordering::Relaxed);
        for producer in self.producers.drain(..) {
            producer.await.unwrap();
        }
        let mut heads = BTreeMap::new();
        for stream in STREAMS {
            heads.insert(stream.to_owned(), held(log, stream).await.head);
        }
        self.halt.send(heads).unwrap();
        let accounts = self.reader.await.unwrap();
        let servers = Arc::into_inner(self.servers).expect("the producers are gone");
        for server in servers {
            server.stop().await;
        }
        (Arc::into_inner(self.answers).unwrap().into_inner().unwrap(), accounts)
    }
}

/// One event after another; what nobody answered, again with the same id.
async fn produce(number: usize, servers: Arc<[Server; 2]>, answers: Arc<Mutex<Vec<Answer>>>, is_over: Arc<AtomicBool>) {
    let (server, stream) = (&servers[number % 2], STREAMS[number / 2]);
    let mut event = 0;
    while !is_over.load(Ordering::Relaxed) {
        let id = format!("{number}.{event}");
        let request = server.request(Method::POST, &format!("/v1/streams/{stream}/events"));
        let (status, body) = answer(request.json(&json!({ "id": id, "type": "x", "data": event }))).await;
        match status.as_u16() {
            200 | 201 => {
                let seq = body["events"][0]["seq"].as_u64().unwrap();
                answers.lock().unwrap().push(Answer { stream: stream.into(), id, seq });
                event += 1;
            }
            503 => assert_eq!(body["error"]["code"], "unavailable", "{body}"),
            _ => panic!("{status} {body}"),
        }
    }
}

/// Reads and confirms until it has come to these heads.
async fn read(url: String, mut heads: watch::Receiver<BTreeMap<String, u64>>) -> BTreeMap<String, Account> {
    let window = json!({ "events": 10_000, "bytes": 1 << 20 });
    let subscriptions = STREAMS.map(|stream| json!({ "stream": stream, "from": "start", "window": window }));
    let mut client = Client::hello(&url, "tab", json!(subscriptions)).await;
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    loop {
        let has_all = |heads: &BTreeMap<String, u64>| {
            !heads.is_empty()
                && heads.iter().all(|(stream, head)| accounts.get(stream).is_some_and(|it| it.cursor >= *head))
        };
        if has_all(&heads.borrow_and_update()) {
            return accounts;
        }
        let frame = tokio::select! {
            frame = client.any() => frame,
            changed = heads.changed() => {
                changed.expect("a drill waits for its reader");
                continue;
            }
        };
        let (stream, kind) = (text(&frame["stream"]), text(&frame["type"]));
        if kind == "ping" {
            client.send(json!({ "type": "pong" })).await;
            continue;
        }
        let account = accounts.entry(stream.clone()).or_default();
        match kind.as_str() {
            "subscribed" => {
                account.epoch = text(&frame["epoch"]);
                account.cursor = frame["after"].as_u64().unwrap();
            }
            "events" | "lost" => account.take(&kind, &frame),
            _ => panic!("{frame}"),
        }
        let ack = json!({ "type": "ack", "stream": stream, "epoch": account.epoch, "upto": account.cursor });
        client.send(ack).await;
    }
}

impl Account {
    /// [AW-RECV-1], [AW-RECV-6]: what comes continues where the last ended.
    fn take(&mut self, kind: &str, frame: &Value) {
        let [after, upto] = ["after", "upto"].map(|field| frame[field].as_u64().unwrap());
        if kind == "lost" {
            // It may go back to what was sent: that is not in the log any more.
            self.lost.push((after, upto));
        } else {
            assert!(after <= self.cursor, "a gap before {frame}, at {}", self.cursor);
            for event in frame["events"].as_array().into_iter().flatten() {
                let seq = event["seq"].as_u64().unwrap();
                assert!(seq > self.cursor, "{seq} again, at {}", self.cursor);
                self.events.push((seq, text(&event["id"])));
            }
        }
        self.cursor = self.cursor.max(upto);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// All of a stream, as somebody sees it who comes from nowhere.
pub async fn held(log: &RedisLog, stream: &str) -> Held {
    let stream = StreamName::new(stream).unwrap();
    let tail = log.tail(&stream).await.unwrap();
    let (mut events, mut holes, mut after) = (BTreeMap::new(), Vec::new(), Seq::ZERO);
    while let Some(range) = SeqRange::new(after, tail.head) {
        let page = log.read(&stream, range, PageLimit { events: 1_000, bytes: 8 << 20 }).await.unwrap();
        events.extend(page.entries.iter().map(|entry| (entry.event().seq.get(), entry.event().id.to_string())));
        holes.extend(page.compacted);
        after = page.upto;
    }
    Held { epoch: tail.epoch, head: tail.head.get(), events, holes }
}

/// [AW-SEQ]: whoever was told what, each seq is one event's. What was answered is held, or lies in a range that is said to
/// be missing; so is what the client got. Answers how many of the answers the log does not hold.
pub async fn compare(log: &RedisLog, answers: &[Answer], accounts: &BTreeMap<String, Account>) -> usize {
    let mut missing = 0;
    for stream in STREAMS {
        let (held, account) = (held(log, stream).await, &accounts[stream]);
        assert_eq!(account.epoch, held.epoch.as_str(), "nobody was put back to the beginning");
        let answered = answers.iter().filter(|answer| answer.stream == stream).map(|it| (it.seq, it.id.clone()));
        let mut given = held.events.clone();
        let told: Vec<(u64, String)> = answered.chain(account.events.iter().cloned()).collect();
        for (seq, id) in &told {
            let owner = given.entry(*seq).or_insert_with(|| id.clone());
            assert_eq!(owner, id, "{stream}: {seq} is one event's");
            let is_named = held.holes.iter().any(|hole| (hole.after().get() + 1..=hole.upto().get()).contains(seq));
            assert!(held.events.contains_key(seq) || is_named, "{stream}: {id} at {seq} is gone, and nobody says so");
        }
        let client: Vec<u64> = account.events.iter().map(|(seq, _)| *seq).collect();
        for (seq, id) in &held.events {
            assert!(client.contains(seq), "{stream}: the client never got {id} at {seq}");
        }
        for hole in &held.holes {
            let is_told = account.lost.iter().any(|(after, upto)| {
                // It had some of it before.
                *upto == hole.upto().get() && *after >= hole.after().get()
            });
            assert!(is_told, "{stream}: the client was not told of {hole:?}, but of {:?}", account.lost);
        }
        missing += answers.iter().filter(|it| it.stream == stream && !held.events.contains_key(&it.seq)).count();
    }
    missing
}
