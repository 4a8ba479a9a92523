//! A log in memory whose writes can be made to wait, or to fail.

use ackwire::wire::{ConsumerId, EventId, Seq, SeqRange, StreamName};
use ackwire_server::{
    fault::Fault,
    log::{Appended, Bell, ConsumerKey, Log, LogError, MemoryLog, NewEvent, Page, PageLimit, Retention, Tail, Watch},
};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;

/// What becomes of writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// They are done.
    Open,
    /// They wait.
    Closed,
    /// They fail, as with a database that is busy.
    Busy,
}

pub struct GatedLog {
    log: MemoryLog,
    gate: watch::Sender<Gate>,
}

impl GatedLog {
    pub fn new(gate: Gate) -> Self {
        Self { log: MemoryLog::new(Retention::default()), gate: watch::Sender::new(gate) }
    }

    pub fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }

    async fn pass(&self) -> Result<(), LogError> {
        // The sender lives as long as this.
        let gate = *self.gate.subscribe().wait_for(|gate| *gate != Gate::Closed).await.unwrap();
        match gate {
            Gate::Busy => Err(LogError::Unavailable { fault: Fault::Busy, message: "the gate says so".into() }),
            Gate::Open | Gate::Closed => Ok(()),
        }
    }
}

#[async_trait]
impl Log for GatedLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        self.pass().await?;
        self.log.append(stream, events).await
    }

    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        self.pass().await?;
        self.log.save_consumers(saves).await
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        self.log.end(stream).await
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

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        self.log.consumers(stream).await
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        self.log.streams_of(consumer).await
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
}
