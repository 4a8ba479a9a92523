//! One (stream, consumer) in memory.

use ackwire::{
    deliver::{Config, Feed, Notice, Tail, Tracker},
    wire::StreamName,
};
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::OnceCell;

use super::{Hub, lock, parse};
use crate::log::{Bell, ConsumerKey, Log, LogError};

/// A feed, who owns it, and whether it is to be saved.
pub struct Slot {
    hub: Weak<Hub>,
    stream: StreamName,
    key: ConsumerKey,
    state: OnceCell<Mutex<State>>,
    /// Whether it waits to be saved.
    is_queued: AtomicBool,
}

struct State {
    feed: Feed,
    /// The connection that is attached; an older one changes nothing any more [AW-CONN-5].
    owner: Option<Owner>,
}

struct Owner {
    connection: u64,
    /// Tells it that something was done to the feed.
    bell: Arc<dyn Bell>,
}

impl State {
    fn is_of(&self, connection: u64) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.connection == connection)
    }
}

impl Slot {
    pub(super) fn new(hub: &Arc<Hub>, stream: &StreamName, key: &ConsumerKey) -> Self {
        let (stream, key) = (stream.clone(), key.clone());
        Self { hub: Arc::downgrade(hub), stream, key, state: OnceCell::new(), is_queued: AtomicBool::new(false) }
    }

    pub(super) async fn load(&self, log: &Arc<dyn Log>, tail: &Tail, config: Config) -> Result<(), LogError> {
        let load = async || {
            let saved = log.load_consumer(&self.stream, &self.key).await?;
            let tracker = saved.and_then(|text| parse(&text)).unwrap_or_else(|| Tracker::new(tail.epoch.clone()));
            let feed = Feed::new(self.stream.clone(), tracker, config, rand::random());
            Ok(Mutex::new(State { feed, owner: None }))
        };
        self.state.get_or_try_init(load).await.map(|_| ())
    }

    /// Takes the feed over for a connection and changes it. The bell rings when something is done to it from outside.
    pub fn take_over<T>(
        self: &Arc<Self>,
        connection: u64,
        bell: Arc<dyn Bell>,
        change: impl FnOnce(&mut Feed) -> T,
    ) -> Option<T> {
        lock(self.state.get()?).owner = Some(Owner { connection, bell });
        self.with(connection, change)
    }

    /// Changes the feed for the connection that owns it; `None` if another one does by now.
    pub fn with<T>(self: &Arc<Self>, connection: u64, change: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        let mut state = lock(self.state.get()?);
        if !state.is_of(connection) {
            return None;
        }
        let before = *state.feed.tracker().counters();
        let changed = change(&mut state.feed);
        let after = *state.feed.tracker().counters();
        let is_dirty = state.feed.take_dirty();
        drop(state);
        if before != after
            && let Some(hub) = self.hub.upgrade()
        {
            hub.monitor().metrics().count(&before, &after);
        }
        if is_dirty {
            self.queue();
        }
        Some(changed)
    }

    /// Changes the feed from outside of its connection, which takes what the feed has to say about it.
    pub(super) fn operate<T>(self: &Arc<Self>, change: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        let mut state = lock(self.state.get()?);
        let changed = change(&mut state.feed);
        state.feed.take_dirty();
        let unheard: Vec<Notice> = match &state.owner {
            Some(owner) => {
                owner.bell.ring();
                Vec::new()
            }
            None => std::iter::from_fn(|| state.feed.poll_notice()).collect(),
        };
        drop(state);
        unheard.iter().for_each(|notice| self.note(notice));
        // Being saved is also what lets it leave the memory.
        self.queue();
        Some(changed)
    }

    /// The connection no longer wants the stream.
    pub fn detach(self: &Arc<Self>, connection: u64) {
        self.with(connection, Feed::detach);
        if let Some(state) = self.state.get() {
            let mut state = lock(state);
            state.owner.take_if(|owner| owner.connection == connection);
        }
        // Being saved is also what lets it leave the memory.
        self.queue();
    }

    /// Looks at what became of the events; `None` before it is loaded.
    pub fn look<T>(&self, look: impl FnOnce(&Tracker, bool) -> T) -> Option<T> {
        let state = lock(self.state.get()?);
        Some(look(state.feed.tracker(), state.feed.is_attached()))
    }

    /// Which stream.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Whose.
    pub fn key(&self) -> &ConsumerKey {
        &self.key
    }

    /// Queues it once the answer is dropped.
    pub(super) fn queue_on_drop(self: &Arc<Self>) -> impl Drop + use<> {
        struct Queued(Arc<Slot>);
        impl Drop for Queued {
            fn drop(&mut self) {
                self.0.queue();
            }
        }
        Queued(self.clone())
    }

    /// It is about to be saved: what changes from now on counts for the next time.
    pub(super) fn unqueue(&self) {
        self.is_queued.store(false, Ordering::SeqCst);
    }

    pub(super) fn queue(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::SeqCst)
            && let Some(hub) = self.hub.upgrade()
        {
            hub.mark_dirty(self.clone());
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.get().is_none_or(|state| lock(state).owner.is_none()) && !self.is_queued.load(Ordering::SeqCst)
    }

    /// Counts what happened, and tells the server's own log: ids and numbers, never a payload.
    pub(crate) fn note(&self, notice: &Notice) {
        if let Some(hub) = self.hub.upgrade() {
            hub.monitor().observe(&self.stream, &self.key, notice);
        }
        let (stream, consumer) = (&self.stream, &self.key.consumer);
        if let (Notice::Confirmed { seq, .. } | Notice::Dead { seq, .. }, Some(hub)) = (notice, self.hub.upgrade()) {
            hub.waiters.wake(stream, *seq);
        }
        match notice {
            Notice::Confirmed { seq, attempt, latency, late, .. } => {
                let latency_ms = latency.as_millis();
                tracing::debug!(%stream, %consumer, %seq, attempt, latency_ms, late, "confirmed");
            }
            Notice::Failed { seq, attempt, retry_in, .. } => {
                let retry_in_ms = retry_in.as_millis();
                tracing::info!(%stream, %consumer, %seq, attempt, retry_in_ms, "the handler failed");
            }
            Notice::Timeout { seq, attempt, retry_in, .. } => {
                let retry_in_ms = retry_in.as_millis();
                tracing::info!(%stream, %consumer, %seq, attempt, retry_in_ms, "not confirmed in time");
            }
            Notice::Retrying { seq, attempt, .. } => {
                tracing::debug!(%stream, %consumer, %seq, attempt, "sent again");
            }
            Notice::Dead { seq, attempt, .. } => {
                tracing::warn!(%stream, %consumer, %seq, attempt, "failed for good");
            }
            Notice::Discarded { seq, .. } => tracing::info!(%stream, %consumer, %seq, "its dead letter was put away"),
            Notice::Lost(range) => {
                let (after, upto) = (range.after, range.upto);
                tracing::warn!(%stream, %consumer, %after, %upto, reason = range.reason.as_str(), "lost");
            }
            Notice::EpochChanged => tracing::warn!(%stream, %consumer, "the stream's log was replaced"),
        }
    }
}
