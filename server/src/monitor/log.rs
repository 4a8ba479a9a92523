//! A log that tells the monitor what is appended to it.

use ackwire::wire::{ConsumerId, EventId, Seq, SeqRange, StreamName};
use async_trait::async_trait;
use std::sync::Arc;

use super::Monitor;
use crate::{
    alerts::{Kind, Sighting},
    log::{Appended, Bell, ConsumerKey, Log, LogError, NewEvent, Owners, Page, PageLimit, Tail, Watch},
};

/// How far back, in events, a run's `agent_started` is looked for when its `agent_completed` comes unexpectedly; what
/// lies further back is believed.
const LOOK_BACK: u64 = 10_000;
/// Most bytes that are read of it at a time.
const PAGE: PageLimit = PageLimit { events: 1_000, bytes: 1 << 20 };

/// Everything goes through to the log behind it.
pub(crate) struct WatchedLog {
    log: Arc<dyn Log>,
    monitor: Arc<Monitor>,
}

/// What an append is about, kept while the events themselves are on their way.
struct Seen {
    priority: ackwire::wire::Priority,
    bytes: usize,
    sighting: Option<Sighting>,
}

impl WatchedLog {
    pub(crate) fn new(log: Arc<dyn Log>, monitor: Arc<Monitor>) -> Self {
        Self { log, monitor }
    }

    async fn tell(&self, stream: &StreamName, seen: Vec<Seen>, appended: &Appended) {
        let metrics = self.monitor.metrics();
        for (Seen { priority, bytes, sighting }, placed) in seen.into_iter().zip(&appended.events) {
            if placed.duplicate {
                metrics.count_duplicate();
                continue;
            }
            metrics.count_tracked(priority, bytes);
            let Some(sighting) = sighting else { continue };
            let is_surprising = sighting.kind == Kind::Completed && !self.monitor.has_started(stream, &sighting.run);
            let began = is_surprising && self.began(stream, &sighting.run, placed.seq).await;
            self.monitor.see(stream, placed.id.clone(), sighting, began);
        }
    }

    /// Whether the log has the run's `agent_started`, or cannot tell.
    async fn began(&self, stream: &StreamName, run: &str, before: Seq) -> bool {
        let floor = before.get().saturating_sub(LOOK_BACK);
        let (Ok(mut after), upto) = (Seq::new(floor), before.before()) else { return true };
        while let Some(range) = SeqRange::new(after, upto) {
            let Ok(page) = self.log.read(stream, range, PAGE).await else { return true };
            let is_beginning = |event: &ackwire::wire::Event| {
                event.event_type.as_str() == "agent_started"
                    && event.meta.get("run_id").is_some_and(|known| known == run)
            };
            if page.entries.iter().any(|entry| is_beginning(entry.event())) {
                return true;
            }
            // What was trimmed cannot be looked at.
            if page.upto <= after || page.oldest > range.after().next().unwrap_or(Seq::MAX) {
                return true;
            }
            after = page.upto;
        }
        floor > 0
    }
}

#[async_trait]
impl Log for WatchedLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        let seen = events.iter().map(|event| Seen {
            priority: event.priority,
            bytes: event.payload_bytes(),
            sighting: Sighting::of(&event.event_type, &event.meta, &event.data),
        });
        let seen: Vec<Seen> = seen.collect();
        let appended = self.log.append(stream, events).await;
        match &appended {
            Ok(appended) => self.tell(stream, seen, appended).await,
            Err(_) => self.monitor.metrics().count_failed_append(),
        }
        appended
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        let tail = self.log.end(stream).await?;
        self.monitor.see_end(stream);
        Ok(tail)
    }

    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError> {
        self.log.tail(stream).await
    }

    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError> {
        self.log.find_tail(stream).await
    }

    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError> {
        self.log.read(stream, range, limit).await
    }

    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError> {
        self.log.find(stream, id).await
    }

    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        self.log.watch(stream, bell)
    }

    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError> {
        self.log.load_consumer(stream, consumer).await
    }

    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        self.log.save_consumers(saves).await
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        self.log.streams_of(consumer).await
    }

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        self.log.consumers(stream).await
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError> {
        self.log.streams(after, limit).await
    }

    async fn trim(&self, now: u64) -> Result<(), LogError> {
        self.log.trim(now).await
    }

    async fn check(&self) -> Result<(), LogError> {
        self.log.check().await
    }

    fn owners(&self) -> Option<Arc<dyn Owners>> {
        self.log.owners()
    }
}
