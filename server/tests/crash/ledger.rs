//! What the log holds, read from one life of the server after another, and held against what producers were told.

use rusqlite::Connection;
use serde_json::Value;
use std::{collections::HashMap, fmt, path::Path};

use crate::producer::{Batch, Producer};

const STREAMS: [&str; 2] = ["run:0", "run:1"];
const PAGE: usize = 1000;

/// One stream as it was read.
#[derive(Default)]
struct Stream {
    epoch: Option<Value>,
    /// In the order of their seqs, which begin at 1 and leave none out.
    ids: Vec<String>,
    seqs: HashMap<String, u64>,
}

#[derive(Default)]
pub struct Ledger {
    streams: [Stream; 2],
    /// Of each producer's batches, those that were answered and found.
    checked: HashMap<usize, usize>,
    answered: usize,
    unanswered: usize,
    retried: usize,
    duplicates: usize,
}

impl Ledger {
    /// Reads what is new, or all of it again: what was there stays there, where it was.
    pub async fn read(&mut self, url: &str, all: bool) {
        for (name, known) in STREAMS.into_iter().zip(&mut self.streams) {
            let mut read = Stream::default();
            let mut after = if all { 0 } else { known.ids.len() };
            while let Some(page) = page(url, name, after).await {
                let epoch = known.epoch.get_or_insert_with(|| page["epoch"].clone());
                assert_eq!(*epoch, page["epoch"], "the log is the same");
                for event in page["events"].as_array().unwrap() {
                    after += 1;
                    assert_eq!(event["seq"], after, "{name}: in order, without a hole");
                    read.ids.push(event["id"].as_str().unwrap().to_owned());
                }
                if page["upto"] == page["head"] {
                    break;
                }
            }
            if all {
                assert!(read.ids.starts_with(&known.ids), "{name}: something that was read before is not there");
                read.ids.drain(..known.ids.len());
            }
            for id in read.ids {
                known.ids.push(id.clone());
                let before = known.seqs.insert(id, known.ids.len() as u64);
                assert_eq!(before, None, "{name}: one event under two seqs");
            }
        }
    }

    /// Holds it against what the producers sent and were told, as far as that is new.
    pub fn check(&mut self, producers: &[Producer]) {
        for (name, producer) in producers.iter().enumerate() {
            let from = self.checked.get(&name).copied().unwrap_or(0);
            for batch in &producer.batches[from..] {
                let stream = &self.streams[usize::from(batch.stream == STREAMS[1])];
                let seqs: Vec<u64> = batch.ids.iter().filter_map(|id| stream.seqs.get(id).copied()).collect();
                match &batch.seqs {
                    Some(answered) => {
                        assert_eq!(seqs, *answered, "{batch:?} is where its producer was told");
                        *self.checked.entry(name).or_default() += 1;
                        self.count(batch);
                    }
                    None => {
                        let whole = seqs.len() == batch.ids.len();
                        assert!(seqs.is_empty() || whole, "{batch:?}: there in part, as {seqs:?}");
                        self.unanswered += 1;
                    }
                }
                assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{batch:?} is in one piece: {seqs:?}");
            }
        }
        let sent: usize = producers.iter().flat_map(|producer| &producer.batches).map(|batch| batch.ids.len()).sum();
        assert!(self.found() <= sent, "nothing but what was sent");
    }

    fn count(&mut self, batch: &Batch) {
        self.answered += batch.ids.len();
        self.retried += usize::from(batch.sent > 1);
        self.duplicates += usize::from(batch.duplicate);
    }

    fn found(&self) -> usize {
        self.streams.iter().map(|stream| stream.ids.len()).sum()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, unanswered, retried, duplicates, .. } = self;
        write!(
            f,
            "{answered} events answered, {} in the log; {unanswered} appends cut off, {retried} sent again until they \
             were answered, {duplicates} of which the log had already",
            self.found()
        )
    }
}

/// `None` for a stream that does not exist.
async fn page(url: &str, stream: &str, after: usize) -> Option<Value> {
    let answer = reqwest::get(format!("{url}/v1/streams/{stream}/events?after={after}&limit={PAGE}")).await.unwrap();
    let exists = answer.status() != 404;
    let page: Value = answer.json().await.unwrap();
    exists.then_some(page)
}

/// SQLite finds nothing wrong with the file.
pub fn check_integrity(database: &Path) {
    let connection = Connection::open(database).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
