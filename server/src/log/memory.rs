//! The log that lives and dies with the process.

use ackwire::{
    deliver::Entry,
    wire::{ConsumerId, Epoch, EventId, Seq, SeqRange, StreamName},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Appended, Bell, ConsumerKey, Log, LogError, Moved, NewEvent, Page, PageLimit, Placed, Retention, Tail, Watch,
    Watchers, new_epoch,
};
use crate::{
    clock,
    limits::{MAX_CONSUMERS, MAX_STREAMS_OF_CONSUMER},
};

/// Everything in memory: for tests, and for streams that need not outlive the process.
pub struct MemoryLog {
    streams: Mutex<BTreeMap<StreamName, Stream>>,
    max_streams: usize,
    watchers: Watchers,
    retention: Retention,
}

impl MemoryLog {
    /// An empty log, for any number of streams.
    pub fn new(retention: Retention) -> Self {
        Self { streams: Mutex::default(), max_streams: usize::MAX, watchers: Watchers::default(), retention }
    }

    /// It takes so many streams and no more.
    pub fn with_max_streams(self, max_streams: usize) -> Self {
        Self { max_streams, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Stream>> {
        // No code that holds the lock panics half-way through a change.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the stream, which is created if need be, and tells its watchers.
    fn change<T>(&self, name: &StreamName, work: impl FnOnce(&mut Stream) -> T) -> Result<T, LogError> {
        let mut streams = self.lock();
        let stream = self.stream(&mut streams, name)?;
        let before = stream.head();
        let result = work(stream);
        // While nobody else can change it: they hear of the changes in their order.
        self.watchers.publish(stream.moved(name, before));
        Ok(result)
    }

    /// The stream, which is created if need be.
    fn stream<'a>(
        &self,
        streams: &'a mut BTreeMap<StreamName, Stream>,
        name: &StreamName,
    ) -> Result<&'a mut Stream, LogError> {
        let most = self.max_streams;
        if streams.len() >= most && !streams.contains_key(name) {
            return Err(LogError::broken(format!(
                "the log in memory has {most} streams (--max-streams) and takes no more"
            )));
        }
        Ok(streams.entry(name.clone()).or_insert_with(Stream::new))
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        let now = clock::unix_ms();
        self.change(stream, |stream| {
            let appended = stream.append(events, now)?;
            stream.trim(&self.retention, now);
            Ok(appended)
        })?
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        self.change(stream, |stream| {
            stream.ended = true;
            stream.tail()
        })
    }

    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError> {
        Ok(self.stream(&mut self.lock(), stream)?.tail())
    }

    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError> {
        Ok(self.lock().get(stream).map(Stream::tail))
    }

    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError> {
        Ok(self.stream(&mut self.lock(), stream)?.read(range, limit))
    }

    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError> {
        Ok(self.lock().get(stream).and_then(|stream| stream.ids.get(id).copied()))
    }

    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        self.watchers.watch(stream, bell)
    }

    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError> {
        let streams = self.lock();
        Ok(streams.get(stream).and_then(|stream| stream.consumers.get(consumer)).map(|saved| saved.text.clone()))
    }

    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        let at = clock::unix_ms();
        let mut streams = self.lock();
        for (stream, consumer, text) in saves {
            self.stream(&mut streams, &stream)?.save(consumer, Saved { text, at });
        }
        Ok(())
    }

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        let streams = self.lock();
        let consumers = streams.get(stream).into_iter().flat_map(|stream| &stream.consumers);
        Ok(consumers.map(|(key, saved)| (key.clone(), saved.text.clone())).collect())
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        let streams = self.lock();
        let has = |stream: &Stream| stream.consumers.keys().any(|key| key.consumer == *consumer);
        let names = streams.iter().filter(|(_, stream)| has(stream)).map(|(name, _)| name.clone());
        Ok(names.take(MAX_STREAMS_OF_CONSUMER).collect())
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let streams = self.lock();
        let page = streams.range::<StreamName, _>((from, Bound::Unbounded)).take(limit);
        Ok(page.map(|(name, stream)| (name.clone(), stream.tail())).collect())
    }

    async fn trim(&self, now: u64) -> Result<(), LogError> {
        for (name, stream) in self.lock().iter_mut() {
            stream.consumers.retain(|_, saved| !self.retention.forgets(saved.at, now));
            if stream.trim(&self.retention, now) {
                self.watchers.publish(stream.moved(name, stream.head()));
            }
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), LogError> {
        Ok(())
    }
}

/// One stream. Seqs are dense here: `entries[n]` has seq `trimmed_upto + 1 + n`.
struct Stream {
    epoch: Epoch,
    trimmed_upto: Seq,
    entries: VecDeque<Stored>,
    ids: HashMap<EventId, Seq>,
    bytes: u64,
    ended: bool,
    consumers: BTreeMap<ConsumerKey, Saved>,
}

struct Stored {
    entry: Arc<Entry>,
    at: u64,
}

struct Saved {
    text: String,
    at: u64,
}

impl Stream {
    fn new() -> Self {
        Self {
            epoch: new_epoch(),
            trimmed_upto: Seq::ZERO,
            entries: VecDeque::new(),
            ids: HashMap::new(),
            bytes: 0,
            ended: false,
            consumers: BTreeMap::new(),
        }
    }

    /// Remembers a consumer, instead of the one that was silent for longest if there are too many.
    fn save(&mut self, consumer: ConsumerKey, saved: Saved) {
        if self.consumers.len() >= MAX_CONSUMERS && !self.consumers.contains_key(&consumer) {
            let silent = self.consumers.iter().min_by_key(|(_, saved)| saved.at).map(|(key, _)| key.clone());
            silent.map(|key| self.consumers.remove(&key));
        }
        self.consumers.insert(consumer, saved);
    }

    fn head(&self) -> Seq {
        Seq::new(self.trimmed_upto.get() + self.entries.len() as u64).expect("append keeps the head within bounds")
    }

    fn oldest(&self) -> Seq {
        self.trimmed_upto.next().unwrap_or(Seq::MAX)
    }

    fn tail(&self) -> Tail {
        Tail {
            epoch: self.epoch.clone(),
            oldest: self.oldest(),
            head: self.head(),
            ended: self.ended,
            events: self.entries.len() as u64,
            bytes: self.bytes,
        }
    }

    fn append(&mut self, events: Vec<NewEvent>, now: u64) -> Result<Appended, LogError> {
        let fresh = events.iter().filter(|event| !self.ids.contains_key(&event.id)).count() as u64;
        if fresh > 0 && self.ended {
            return Err(LogError::StreamEnded);
        }
        if fresh > Seq::MAX.get() - self.head().get() {
            return Err(LogError::StreamFull);
        }
        let place = |event: NewEvent| {
            let id = event.id.clone();
            if let Some(&seq) = self.ids.get(&id) {
                return Placed { id, seq, duplicate: true };
            }
            let seq = self.head().next().expect("checked above: there are enough numbers");
            let entry = Arc::new(event.at(seq));
            self.bytes += entry.bytes() as u64;
            self.entries.push_back(Stored { entry, at: now });
            self.ids.insert(id.clone(), seq);
            Placed { id, seq, duplicate: false }
        };
        let events = events.into_iter().map(place).collect();
        Ok(Appended { epoch: self.epoch.clone(), events })
    }

    fn read(&self, range: SeqRange, limit: PageLimit) -> Page {
        let index = |seq: Seq| seq.get().saturating_sub(self.trimmed_upto.get()) as usize;
        let last = index(range.upto()).min(self.entries.len());
        let first = index(range.after()).min(last);
        let (entries, cut) = Page::gather(self.entries.range(first..last).map(|stored| &stored.entry), limit);
        let upto = cut.unwrap_or(range.upto().min(self.head()).max(range.after()));
        Page { epoch: self.epoch.clone(), entries, upto, oldest: self.oldest(), compacted: Vec::new() }
    }

    /// How it has moved since its head was at `before`.
    fn moved(&self, name: &StreamName, before: Seq) -> Moved {
        let appended = (self.head().get() - before.get()) as usize;
        let first = self.entries.len().saturating_sub(appended);
        let entries = self.entries.range(first..).map(|stored| stored.entry.clone()).collect();
        Moved { stream: name.clone(), tail: self.tail(), before, entries }
    }

    /// Whether anything was trimmed.
    fn trim(&mut self, retention: &Retention, now: u64) -> bool {
        let before = self.entries.len();
        while let Some(Stored { entry, at }) = self.entries.front() {
            if !retention.exceeded(self.entries.len() as u64, self.bytes, *at, now) {
                break;
            }
            self.bytes -= entry.bytes() as u64;
            self.trimmed_upto = entry.seq();
            self.ids.remove(&entry.head().id);
            self.entries.pop_front();
        }
        self.entries.len() < before
    }
}
