//! A producer as it should be: it sends a batch until that is answered, and only then the next.

use ackwire::base::Rng;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// Most events in one append.
const MAX_BATCH: u64 = 4;

/// How far the producers of one life of the server are.
pub struct Progress {
    answers: AtomicU64,
    wanted: u64,
    is_enough: Notify,
}

impl Progress {
    pub fn new(wanted: u64) -> Arc<Self> {
        Arc::new(Self { answers: AtomicU64::new(0), wanted, is_enough: Notify::new() })
    }

    /// Until there were as many answers as are wanted.
    pub async fn enough(&self) {
        if self.wanted > 0 {
            self.is_enough.notified().await;
        }
    }

    fn answered(&self) {
        if self.answers.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.is_enough.notify_one();
        }
    }
}

/// One append, and what came of it.
#[derive(Clone, Debug)]
pub struct Batch {
    pub stream: String,
    pub ids: Vec<String>,
    /// Its answer: the events' seqs, in order.
    pub seqs: Option<Vec<u64>>,
    /// How often it was sent.
    pub sent: u32,
    /// Whether the answer said that the log had it already.
    pub duplicate: bool,
}

pub struct Producer {
    name: u64,
    rng: Rng,
    /// All but the last are answered.
    pub batches: Vec<Batch>,
}

impl Producer {
    pub fn new(name: u64, seed: u64) -> Self {
        Self { name, rng: Rng::new(seed), batches: Vec::new() }
    }

    /// Appends until the server does not answer.
    pub async fn work(mut self, url: String, progress: Arc<Progress>) -> Self {
        let client = reqwest::Client::new();
        loop {
            if self.batches.last().is_none_or(|last| last.seqs.is_some()) {
                self.next_batch();
            }
            if !self.send(&client, &url).await {
                return self;
            }
            progress.answered();
        }
    }

    /// Sends again what was not answered.
    pub async fn repeat(mut self, url: String) -> Self {
        if self.batches.last().is_some_and(|last| last.seqs.is_none()) {
            assert!(self.send(&reqwest::Client::new(), &url).await, "this server is not killed");
        }
        self
    }

    fn next_batch(&mut self) {
        let stream = format!("run:{}", self.name % 2);
        let number = self.batches.len();
        let ids = (0..=self.rng.up_to(MAX_BATCH - 1)).map(|n| format!("{}:{number}:{n}", self.name)).collect();
        self.batches.push(Batch { stream, ids, seqs: None, sent: 0, duplicate: false });
    }

    /// Whether the last batch was answered.
    async fn send(&mut self, client: &reqwest::Client, url: &str) -> bool {
        let batch = self.batches.last_mut().expect("there is one");
        batch.sent += 1;
        let events: Vec<Value> = batch.ids.iter().map(|id| json!({ "id": id, "type": "x", "data": id })).collect();
        let request = client.post(format!("{url}/v1/streams/{}/events", batch.stream)).json(&events);
        // What breaks off is not answered.
        let Ok(answer) = request.send().await else { return false };
        let status = answer.status();
        let Ok(answer) = answer.json::<Value>().await else { return false };
        assert!(status.is_success(), "{status}: {answer}");
        let placed = answer["events"].as_array().unwrap();
        let duplicates = placed.iter().filter(|event| event["duplicate"] == true).count();
        assert!(duplicates == 0 || duplicates == batch.ids.len(), "half of a batch was there: {answer}");
        assert!(duplicates == 0 || batch.sent > 1, "there before it was sent: {answer}");
        let ids: Vec<_> = placed.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(ids, batch.ids);
        batch.duplicate = duplicates > 0;
        batch.seqs = Some(placed.iter().map(|event| event["seq"].as_u64().unwrap()).collect());
        true
    }
}
