//! The log on Redis (or Valkey), which many servers share.
//!
//! A stream's events are a Redis stream. One script appends: it looks for ids that are there already, gives seqs, keeps the
//! events, trims, and tells every server, all in one step. A seq is a time (milliseconds since 1970, times 2,048, plus a
//! counter), so that a replica that becomes the primary without the last writes gives none of them again; what those
//! writes may have been is a hole in the stream, which is stated to whoever reads across it (see `lua/stream.lua`).
//!
//! Servers hear of changes over one connection (see `listen`), and what is written is durable as far as Redis is set up to
//! make it so, which is looked at when the connection is made (see `survey`).

mod explain;
mod keys;
mod link;
mod listen;
mod news;
mod owners;
mod pages;
mod scripts;
mod shared;
mod survey;
mod url;

pub use url::{RedisUrl, RedisUrlError};

use ackwire::wire::{ConsumerId, EventId, Seq, SeqRange, StreamName};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use redis::{RedisResult, Value, cmd};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::task::JoinHandle;

use self::{
    keys::Partition,
    owners::RedisOwners,
    shared::{Shared, TRIM_EVENTS, add_retention},
};
use super::{
    Appended, Bell, ConsumerKey, Fence, Log, LogError, NewEvent, Owners, Page, PageLimit, Retention, Save, Tail, Watch,
};
use crate::{
    clock,
    limits::{MAX_CONSUMERS, MAX_STREAMS_OF_CONSUMER},
};

/// How many streams are trimmed at the same time, and how many are looked at for one answer.
const TRIM_STREAMS: usize = 256;

/// Where the Redis is, and what has to be true before a producer is answered.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where.
    pub url: RedisUrl,
    /// How many replicas must have what is written. Default: 0.
    pub replicas: u32,
}

/// Everything in Redis. It is made without Redis being there: it connects when it is needed, and again when that fails.
pub struct RedisLog {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl RedisLog {
    /// The log that is there. Must be called inside a tokio runtime.
    pub fn new(settings: RedisSettings, retention: Retention) -> Self {
        let shared = Arc::new(Shared::new(settings, retention));
        let tasks = [tokio::spawn(listen::run(shared.clone())), tokio::spawn(owners::keep(shared.clone()))];
        Self { shared, tasks }
    }
}

impl Drop for RedisLog {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl Log for RedisLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id.clone()).collect();
        let trimmed = TRIM_EVENTS.max(2 * events.len());
        let appended: pages::Appended = self
            .shared
            .call(stream, &scripts::APPEND, true, |call| {
                add_retention(call, &self.shared.retention, trimmed);
                for event in events {
                    call.arg(event.id.as_str()).arg(pages::to_text(event));
                }
            })
            .await?;
        let appended = pages::appended(appended, ids)?;
        let newest = appended.events.iter().map(|placed| placed.seq).max();
        newest.into_iter().for_each(|newest| self.shared.saw(stream, newest));
        self.shared.changed(stream);
        Ok(appended)
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        let tail = self.shared.tail_of_any(stream, "end").await?;
        self.shared.changed(stream);
        Ok(tail)
    }

    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError> {
        self.shared.tail_of_any(stream, "create").await
    }

    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError> {
        self.shared.tail(stream, "find").await
    }

    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError> {
        if let Some(page) = self.shared.watchers.read(stream, range, limit) {
            return Ok(page);
        }
        match self.shared.read(stream, range, limit).await? {
            Some(read) => {
                let page = pages::page(read, range)?;
                self.shared.watchers.keep(stream, range.after(), &page);
                Ok(page)
            }
            None => {
                let Tail { epoch, oldest, .. } = self.tail(stream).await?;
                Ok(Page { epoch, entries: Vec::new(), upto: range.after(), oldest, compacted: Vec::new() })
            }
        }
    }

    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError> {
        let mut find = cmd("HGET");
        find.arg(keys::ids(stream)).arg(id.as_str());
        let seq: Option<u64> = self.shared.ask(&find).await?;
        seq.map(pages::seq).transpose()
    }

    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        self.shared.watchers.watch(stream, bell)
    }

    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError> {
        let mut load = cmd("HGET");
        load.arg(keys::states(stream)).arg(pages::who(consumer));
        self.shared.ask(&load).await
    }

    /// For whoever saves without having taken the consumers: refused once somebody has.
    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        let untaken = |(stream, consumer, state)| {
            let (fence, version, is_connected) = (Fence::default(), 0, false);
            Save { stream, consumer, state, fence, version, is_connected }
        };
        let refused = self.shared.save_all(saves.into_iter().map(untaken).collect()).await?;
        match refused.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(LogError::broken(format!("{} is tracked by a server that has taken it", key.consumer)))
            }
        }
    }

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        let mut names = cmd("ZRANGE");
        names.arg(keys::consumers(stream)).arg(0).arg(MAX_CONSUMERS - 1);
        let names: Vec<String> = self.shared.ask(&names).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut states = cmd("HMGET");
        states.arg(keys::states(stream)).arg(&names);
        let states: Vec<Option<String>> = self.shared.ask(&states).await?;
        // One that was forgotten meanwhile has none.
        let known = names.iter().zip(states).filter_map(|(name, state)| Some((name, state?)));
        known.map(|(name, state)| Ok((pages::consumer(name)?, state))).collect()
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        let listed: Vec<Vec<String>> = self
            .shared
            .ask_all(|partition| {
                let mut list = cmd("ZRANGE");
                list.arg(partition.streams_of(consumer)).arg(0).arg(MAX_STREAMS_OF_CONSUMER - 1);
                list
            })
            .await?;
        let names = listed.iter().flatten().map(|member| pages::stream(member));
        Ok(names.collect::<Result<BTreeSet<_>, _>>()?.into_iter().take(MAX_STREAMS_OF_CONSUMER).collect())
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError> {
        let from = after.map_or("-".to_owned(), |after| format!("({after}"));
        let listed: Vec<Vec<String>> = self
            .shared
            .ask_all(|partition| {
                let mut list = cmd("ZRANGEBYLEX");
                list.arg(partition.streams()).arg(&from).arg("+").arg("LIMIT").arg(0).arg(limit);
                list
            })
            .await?;
        let names = listed.iter().flatten().map(|name| pages::stream(name));
        let names: BTreeSet<StreamName> = names.collect::<Result<_, _>>()?;
        let tails = names.into_iter().take(limit).map(async |name| {
            let tail = self.find_tail(&name).await?;
            Ok(tail.map(|tail| (name, tail)))
        });
        Ok(try_join_all(tails).await?.into_iter().flatten().collect())
    }

    async fn trim(&self, now: u64) -> Result<(), LogError> {
        let shared = &self.shared;
        if let Some(span) = shared.retention.consumers {
            shared.forget_consumers(now.saturating_sub(span.as_millis() as u64)).await?;
        }
        let mut after = None;
        while shared.retention.has_bounds() {
            let page = self.streams(after.as_ref(), TRIM_STREAMS).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            try_join_all(page.iter().map(|(stream, _)| shared.trim_stream(stream, now))).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), LogError> {
        let lines = self.shared.link.lines().await?;
        let mut note = cmd("SET");
        note.arg(Partition(0).prefix() + "checked-at").arg(clock::unix_ms());
        let written: RedisResult<Value> = note.query_async(&mut lines.writes.clone()).await;
        self.shared.sorted(&lines, written)?;
        self.shared.ask::<Value>(&cmd("PING")).await.map(drop)
    }

    fn owners(&self) -> Option<Arc<dyn Owners>> {
        Some(Arc::new(RedisOwners(self.shared.clone())))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds one of these locks can leave what it guards half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
