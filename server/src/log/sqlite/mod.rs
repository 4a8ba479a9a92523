//! The log in one SQLite file.
//!
//! One thread writes. It takes everything that waits into one transaction (*group commit*), and answers after the
//! commit, which is synced: many producers share one sync. Readers have connections of their own and see the last
//! commit.

mod folder;
mod reader;
mod records;
mod schema;
mod writer;

pub use folder::OpenError;

use ackwire::wire::{ConsumerId, EventId, Seq, SeqRange, StreamName};
use async_trait::async_trait;
use std::{path::Path, sync::Arc};

use self::{folder::Folder, reader::Readers, writer::Writer};
use super::{
    Appended, Bell, ConsumerKey, Log, LogError, Moved, NewEvent, Page, PageLimit, Retention, Tail, Watch, Watchers,
};
use crate::clock;

/// How many streams one transaction of [`Log::trim`] looks at, so that appends need not wait for all.
const TRIM_STREAMS: usize = 256;

/// How many events of a stream one transaction trims, or twice what it appends if that is more.
const TRIM_EVENTS: usize = 1000;

/// Everything in `ackwire.db` in a data folder, which belongs to one server at a time.
///
/// To drop it waits for what is being written.
pub struct SqliteLog {
    // In this order: the writer's connection closes after the readers', so that it leaves the log in one file, and
    // before the folder is free for others.
    readers: Arc<Readers>,
    writer: Writer,
    watchers: Watchers,
    retention: Retention,
    _folder: Folder,
}

impl SqliteLog {
    /// Opens the log in `folder`, which is made if it is not there.
    pub fn open(folder: &Path, retention: Retention) -> Result<Self, OpenError> {
        let folder = Folder::claim(folder)?;
        let connection = schema::open(&folder)?;
        let watchers = Watchers::default();
        let writer = Writer::start(connection, folder.path(), watchers.clone())?;
        let readers = Arc::new(Readers::new(&folder));
        Ok(Self { readers, writer, watchers, retention, _folder: folder })
    }

    /// In steps, so that appends need not wait for all of it.
    async fn trim_streams(&self, streams: Vec<StreamName>, now: u64) -> Result<(), LogError> {
        loop {
            let (streams, retention) = (streams.clone(), self.retention.clone());
            let trim = self.writer.submit(move |connection, touched| {
                let mut any = false;
                for stream in &streams {
                    let Some(mut record) = records::find(connection, stream)? else { continue };
                    if record.trim(connection, &retention, now, TRIM_EVENTS)? {
                        record.save(connection)?;
                        let before = record.tail.head;
                        touched.push(Moved { stream: stream.clone(), tail: record.tail, before, entries: Vec::new() });
                        any = true;
                    }
                }
                Ok(any)
            });
            if !trim.await? {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Log for SqliteLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        let (stream, retention, now) = (stream.clone(), self.retention.clone(), clock::unix_ms());
        self.writer
            .submit(move |connection, touched| {
                let mut record = records::find_or_create(connection, &stream)?;
                let before = record.tail.head;
                let (placed, entries) = record.append(connection, &events, now)?;
                record.trim(connection, &retention, now, TRIM_EVENTS.max(2 * events.len()))?;
                record.save(connection)?;
                let epoch = record.tail.epoch.clone();
                touched.push(Moved { stream: stream.clone(), tail: record.tail, before, entries });
                Ok(Appended { epoch, events: placed })
            })
            .await
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        let stream = stream.clone();
        self.writer
            .submit(move |connection, touched| {
                let mut record = records::find_or_create(connection, &stream)?;
                record.tail.ended = true;
                record.save(connection)?;
                let (tail, before) = (record.tail.clone(), record.tail.head);
                touched.push(Moved { stream: stream.clone(), tail, before, entries: Vec::new() });
                Ok(record.tail)
            })
            .await
    }

    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError> {
        if let Some(tail) = self.find_tail(stream).await? {
            return Ok(tail);
        }
        let stream = stream.clone();
        self.writer.submit(move |connection, _| Ok(records::find_or_create(connection, &stream)?.tail)).await
    }

    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError> {
        let stream = stream.clone();
        self.readers.run(move |connection| Ok(records::find(connection, &stream)?.map(|record| record.tail))).await
    }

    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError> {
        let (name, watchers) = (stream.clone(), self.watchers.clone());
        let read = self.readers.run(move |connection| {
            // Somebody else may have read it while this one waited for its turn.
            if let Some(page) = watchers.read(&name, range, limit) {
                return Ok(Some(page));
            }
            let record = records::find(connection, &name)?;
            let page = record.map(|record| record.read(connection, range, limit)).transpose()?;
            page.iter().for_each(|page| watchers.keep(&name, range.after(), page));
            Ok(page)
        });
        match read.await? {
            Some(page) => Ok(page),
            None => {
                let Tail { epoch, oldest, .. } = self.tail(stream).await?;
                Ok(Page { epoch, entries: Vec::new(), upto: range.after(), oldest, compacted: Vec::new() })
            }
        }
    }

    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError> {
        let (stream, id) = (stream.clone(), id.clone());
        self.readers
            .run(move |connection| match records::find(connection, &stream)? {
                Some(record) => record.find(connection, &id),
                None => Ok(None),
            })
            .await
    }

    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        self.watchers.watch(stream, bell)
    }

    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError> {
        let (stream, consumer) = (stream.clone(), consumer.clone());
        self.readers.run(move |connection| records::load_consumer(connection, &stream, &consumer)).await
    }

    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        let now = clock::unix_ms();
        self.writer
            .submit(move |connection, _| {
                for (stream, consumer, text) in &saves {
                    let record = records::find_or_create(connection, stream)?;
                    record.save_consumer(connection, consumer, text, now)?;
                }
                Ok(())
            })
            .await
    }

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        let stream = stream.clone();
        self.readers.run(move |connection| records::consumers(connection, &stream)).await
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        let consumer = consumer.clone();
        self.readers.run(move |connection| records::streams_of(connection, &consumer)).await
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError> {
        let after = after.cloned();
        self.readers.run(move |connection| records::streams(connection, after.as_ref(), limit)).await
    }

    async fn trim(&self, now: u64) -> Result<(), LogError> {
        if let Some(span) = self.retention.consumers {
            let before = now.saturating_sub(span.as_millis() as u64);
            self.writer.submit(move |connection, _| Ok(records::forget_consumers(connection, before)?)).await?;
        }
        let mut after = None;
        while self.retention.has_bounds() {
            let page = self.streams(after.as_ref(), TRIM_STREAMS).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let streams: Vec<_> = page.into_iter().map(|(stream, _)| stream).collect();
            self.trim_streams(streams, now).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), LogError> {
        let now = clock::unix_ms();
        self.writer.submit(move |connection, _| Ok(records::note_check(connection, now)?)).await?;
        self.readers.run(|connection| records::streams(connection, None, 1)).await.map(drop)
    }
}
