//! Where events live: one ordered log for each stream, and what each consumer has confirmed of it.
//!
//! [`Log`] is what the rest of the server knows. [`MemoryLog`] keeps everything in the process and forgets it at its
//! end; [`SqliteLog`] keeps everything in one file; [`RedisLog`] keeps everything in a Redis that many servers share. All
//! of them pass `tests/log_conformance.rs`.

mod error;
mod memory;
mod owners;
mod redis;
mod retention;
mod sqlite;
mod watch;

pub use error::LogError;
pub use memory::MemoryLog;
pub use owners::{EXPECTED_FOR, Fence, Loaded, Owners, Purpose, Reply, Save, ServerId, Taken, Taker, Word};
pub use redis::{RedisLog, RedisSettings, RedisUrl, RedisUrlError};
pub use retention::Retention;
pub use sqlite::{OpenError, SqliteLog};
pub use watch::{Bell, Moved, Watch, Watchers};

use ackwire::{
    deliver::Entry,
    wire::{ConsumerId, Epoch, Event, EventId, EventType, Meta, Priority, Seq, SeqRange, StreamName},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

use crate::clock;

/// A store of streams.
///
/// Every method may be called by many tasks at once. What a method has answered survives a crash as far as the
/// implementation is durable at all; an error means that nothing of the call was kept, or, where the log is behind a
/// network, that nobody knows: the same call may be made again, events are known by their ids.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends all of `events`, or none; durable before it returns. An event whose id the stream has already, or that
    /// came earlier in `events`, is not appended again: the answer names the seq that it has, as a duplicate.
    ///
    /// Fails with [`LogError::StreamEnded`] if the stream has ended and not every event is a duplicate.
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError>;

    /// Ends the stream: it takes no more events. Ending it again changes nothing.
    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError>;

    /// Where the stream stands. A stream that does not exist is created empty: its epoch is fixed then.
    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError>;

    /// Where the stream stands, or `None` if it does not exist.
    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError>;

    /// The events of `range`, ascending, up to `limit`. Its cost does not depend on the length of the log.
    /// A stream that does not exist is created, as by [`Log::tail`].
    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError>;

    /// Where the event with this id stands. Ids of trimmed events are forgotten.
    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError>;

    /// Rings whenever the stream has moved: by an append, its end, or a trim. What happened before the call may or may
    /// not show, so read the tail after it.
    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch;

    /// What [`Log::save_consumers`] kept for this consumer.
    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError>;

    /// Keeps an opaque text for each consumer, durable before it returns; after an error perhaps of some.
    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError>;

    /// Every consumer of the stream, in the order of their keys, at most
    /// [`MAX_CONSUMERS`](crate::limits::MAX_CONSUMERS).
    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError>;

    /// The streams that a consumer of this name was saved for, whoever's it is, in the order of their names, at most
    /// [`MAX_STREAMS_OF_CONSUMER`](crate::limits::MAX_STREAMS_OF_CONSUMER).
    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError>;

    /// Up to `limit` streams in the order of their names, those after `after`.
    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError>;

    /// Applies [`Retention`] to every stream as of `now` (milliseconds since 1970). Appends apply it to their own
    /// stream; this is for age, which passes without appends.
    async fn trim(&self, now: u64) -> Result<(), LogError>;

    /// Whether the log can be read and written now.
    async fn check(&self) -> Result<(), LogError>;

    /// How the servers that share this log agree on who tracks a consumer; `None` if only one server has it.
    fn owners(&self) -> Option<Arc<dyn Owners>> {
        None
    }
}

/// An event before it has its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewEvent {
    /// The producer's name for it, unique in the stream.
    pub id: EventId,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Milliseconds since 1970; for people.
    pub time: u64,
    /// Any JSON value, as the producer wrote it.
    pub data: Box<RawValue>,
    /// How soon a confirmation is wanted.
    #[serde(default)]
    pub priority: Priority,
    /// Strings that travel with it.
    #[serde(default)]
    pub meta: Meta,
    /// How long a consumer has to confirm it, in milliseconds; `None`: as the server is configured.
    pub deadline_ms: Option<u32>,
    /// How often it is sent again after a failure or timeout; `None`: as the server is configured.
    pub retries: Option<u32>,
}

impl NewEvent {
    /// An event of now, with an id of its own and all else by default.
    pub fn new(event_type: EventType, data: Box<RawValue>) -> Self {
        Self {
            id: EventId::new(&uuid::Uuid::now_v7().to_string()).expect("a UUID is a valid event id"),
            event_type,
            time: clock::unix_ms(),
            data,
            priority: Priority::default(),
            meta: Meta::new(),
            deadline_ms: None,
            retries: None,
        }
    }

    /// The bytes that its producer decides about, to be bounded: its `data` and `meta`.
    pub fn payload_bytes(&self) -> usize {
        let meta: usize = self.meta.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.data.get().len() + meta
    }

    fn at(self, seq: Seq) -> Entry {
        Entry::new(Event {
            seq,
            id: self.id,
            event_type: self.event_type,
            time: self.time,
            data: self.data,
            priority: self.priority,
            attempt: 1,
            meta: self.meta,
            deadline_ms: self.deadline_ms,
            retries: self.retries,
        })
    }
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// One for each event of the call, in its order.
    pub events: Vec<Placed>,
}

/// An event's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Which event.
    pub id: EventId,
    /// Its place in the stream.
    pub seq: Seq,
    /// Whether the stream had it already.
    pub duplicate: bool,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// The least seq that the log may still hold; one more than the head if it holds none.
    pub oldest: Seq,
    /// The seq of the newest event ever appended; [`Seq::ZERO`] before the first.
    pub head: Seq,
    /// Whether the stream takes no more events.
    pub ended: bool,
    /// How many events the log holds.
    pub events: u64,
    /// How many bytes they have, in their wire form.
    pub bytes: u64,
}

/// How much a page may hold. One event is always allowed, whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Most events; at least 1.
    pub events: usize,
    /// Most bytes, in the events' wire form.
    pub bytes: usize,
}

/// A piece of a stream.
#[derive(Clone, Debug)]
pub struct Page {
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// The events, ascending.
    pub entries: Vec<Arc<Entry>>,
    /// What the page covers: of the events up to this, those that are not listed are not in the log. If the limit
    /// did not cut the page, the end of the range or the head, whichever is less; never less than the range's start.
    pub upto: Seq,
    /// As in [`Tail::oldest`]: what lies before was trimmed.
    pub oldest: Seq,
    /// Where events may have been that the log has lost, from the range's start up to `upto`: ascending, disjoint, without
    /// listed events. A log that can lose events keeps such a range in mind and gives none of its seqs again.
    pub compacted: Vec<SeqRange>,
}

impl Page {
    /// Takes of `entries` what the limit allows, and says where it cut them: after which seq there is more.
    fn gather<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, limit: PageLimit) -> (Vec<Arc<Entry>>, Option<Seq>) {
        let (mut gathered, mut bytes) = (Vec::<Arc<Entry>>::new(), 0);
        for entry in entries {
            bytes += entry.bytes();
            if let Some(last) = gathered.last()
                && (gathered.len() >= limit.events || bytes > limit.bytes)
            {
                let cut = last.seq();
                return (gathered, Some(cut));
            }
            gathered.push(entry.clone());
        }
        (gathered, None)
    }
}

/// Whose confirmations are tracked. Two users who chose the same name are two consumers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConsumerKey {
    /// The token's `sub`; `None` without tokens.
    pub subject: Option<String>,
    /// The name that the client chose.
    pub consumer: ConsumerId,
}

/// The name of a new incarnation.
fn new_epoch() -> Epoch {
    Epoch::new(&format!("{:016x}", rand::random::<u64>())).expect("16 hex digits are a valid epoch")
}
