//! Who waits for which stream, and what they are about to want of it.
//!
//! Who watches a stream is told when it has moved and finds in memory where it stands, its newest events, and pages of its
//! past that were read for others: an event that is appended costs those who wait for it no look into the log. All of it
//! is a copy. The log stays the truth: what is not here is read there.

mod kept;
mod recent;

use ackwire::{
    deliver::Entry,
    wire::{Seq, SeqRange, StreamName},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

use super::{Page, PageLimit, Tail};
use kept::Kept;
use recent::Recent;

/// How somebody is told that a stream has moved. Called by whoever moves it, so it only takes note.
pub trait Bell: Send + Sync {
    /// The stream has moved since the watch began, or since the last call.
    fn ring(&self);
}

impl Bell for Notify {
    fn ring(&self) {
        self.notify_one();
    }
}

/// The watched streams of a log. Cheap to clone.
///
/// A log that implements [`Log`](super::Log) has one, hands out its [`watch`](Self::watch), and
/// [`publish`](Self::publish)es to it what has become durable.
#[derive(Clone, Default)]
pub struct Watchers(Arc<Registry>);

#[derive(Default)]
struct Registry {
    /// Each has a watch.
    channels: Mutex<HashMap<StreamName, Arc<Channel>>>,
    kept: Mutex<Kept>,
}

/// One watched stream.
#[derive(Default)]
struct Channel {
    recent: Mutex<Recent>,
    bells: Mutex<Bells>,
}

/// By the number of their watch, ascending. Most streams have one, and a map would have room for several.
#[derive(Default)]
struct Bells {
    by_watch: Vec<(u64, Arc<dyn Bell>)>,
    begun: u64,
}

/// How a stream has moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Which.
    pub stream: StreamName,
    /// Where it stands now.
    pub tail: Tail,
    /// Where its head was before.
    pub before: Seq,
    /// What was appended since then, complete; what was trimmed at once may be missing.
    pub entries: Vec<Arc<Entry>>,
}

/// The wish to know how a stream moves, until it is dropped.
pub struct Watch {
    registry: Arc<Registry>,
    stream: StreamName,
    channel: Arc<Channel>,
    number: u64,
}

impl Watchers {
    /// From now on the bell rings whenever the stream moves.
    pub fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        let mut channels = lock(&self.0.channels);
        let channel = channels.entry(stream.clone()).or_default().clone();
        // Before the map is free for others: a channel without bells is taken out of it.
        let number = lock(&channel.bells).add(bell);
        drop(channels);
        Watch { registry: self.0.clone(), stream: stream.clone(), channel, number }
    }

    /// A stream has moved, durably. Of each stream this is called in the order of its changes.
    pub fn publish(&self, moved: Moved) {
        let Some(channel) = self.find(&moved.stream) else { return };
        let appended: usize = moved.entries.iter().map(|entry| kept::bytes_of(entry)).sum();
        let events = moved.entries.len();
        lock(&channel.recent).publish(moved);
        if events > 0 {
            lock(&self.0.kept).add_newest(&channel, events, appended);
        }
        lock(&channel.bells).by_watch.iter().for_each(|(_, bell)| bell.ring());
    }

    /// A page after `after` was read from the log: it is kept if others are likely to want it, too.
    pub(super) fn keep(&self, stream: &StreamName, after: Seq, page: &Page) {
        let Some(channel) = self.find(stream) else { return };
        let is_shared = lock(&channel.bells).by_watch.len() > 1;
        if is_shared && lock(&channel.recent).keep(after, page) {
            lock(&self.0.kept).add_page(&channel, after, page.entries.iter().map(|entry| kept::bytes_of(entry)).sum());
        }
    }

    /// What is kept in memory of a range, as [`Log::read`](super::Log::read) would answer.
    pub(super) fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Option<Page> {
        lock(&self.find(stream)?.recent).read(range, limit)
    }

    /// Where those who watch the stream know it to stand, if they know; `None` if nobody watches it.
    pub(super) fn known(&self, stream: &StreamName) -> Option<Option<Tail>> {
        self.find(stream).map(|channel| lock(&channel.recent).tail().cloned())
    }

    /// Every stream that somebody watches.
    pub(super) fn streams(&self) -> Vec<StreamName> {
        lock(&self.0.channels).keys().cloned().collect()
    }

    fn find(&self, stream: &StreamName) -> Option<Arc<Channel>> {
        lock(&self.0.channels).get(stream).cloned()
    }
}

impl Bells {
    fn add(&mut self, bell: Arc<dyn Bell>) -> u64 {
        self.begun += 1;
        if self.by_watch.is_empty() {
            self.by_watch.reserve_exact(1);
        }
        self.by_watch.push((self.begun, bell));
        self.begun
    }

    fn remove(&mut self, number: u64) {
        if let Ok(index) = self.by_watch.binary_search_by_key(&number, |(number, _)| *number) {
            self.by_watch.remove(index);
        }
    }
}

impl Watch {
    /// Where the stream stood when the bell rang last; `None` before.
    pub fn tail(&self) -> Option<Tail> {
        lock(&self.channel.recent).tail().cloned()
    }

    /// The events of a range, as [`Log::read`](super::Log::read) would answer, if they are in memory.
    pub fn read(&self, range: SeqRange, limit: PageLimit) -> Option<Page> {
        lock(&self.channel.recent).read(range, limit)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut channels = lock(&self.registry.channels);
        let mut bells = lock(&self.channel.bells);
        bells.remove(self.number);
        if bells.by_watch.is_empty() {
            channels.remove(&self.stream);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds one of these locks can leave what it guards half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
