//! One (stream, consumer) in memory.

use ackwire::{
    deliver::{Config, Feed, Notice, Tail, Tracker},
    wire::{Seq, StreamName},
};
use std::sync::{
    Arc, Mutex, MutexGuard, Weak,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::OnceCell;

use super::{Hub, OpenError, lock, parse, tenure::Tenure, to_text};
use crate::log::{Bell, ConsumerKey, Loaded, Log, LogError, Save};

/// A feed, who owns it, and whether it is to be saved.
pub struct Slot {
    hub: Weak<Hub>,
    stream: StreamName,
    key: ConsumerKey,
    /// Under which this server has the consumer; `None` if no other server could have it.
    tenure: Option<Arc<Tenure>>,
    state: OnceCell<Mutex<State>>,
    /// Whether it waits to be saved.
    is_queued: AtomicBool,
}

struct State {
    feed: Feed,
    /// How often it was looked at to be saved.
    version: u64,
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
    pub(super) fn new(hub: &Arc<Hub>, stream: &StreamName, key: &ConsumerKey, tenure: Option<Arc<Tenure>>) -> Self {
        let (hub, stream, key) = (Arc::downgrade(hub), stream.clone(), key.clone());
        Self { hub, stream, key, tenure, state: OnceCell::new(), is_queued: AtomicBool::new(false) }
    }

    pub(super) async fn load(&self, log: &Arc<dyn Log>, tail: &Tail, config: Config) -> Result<(), OpenError> {
        let load = async || {
            let saved = self.read(log).await?;
            let tracker = saved.and_then(|text| parse(&text)).unwrap_or_else(|| Tracker::new(tail.epoch.clone()));
            let feed = Feed::new(self.stream.clone(), tracker, config, rand::random());
            Ok(Mutex::new(State { feed, version: 0, owner: None }))
        };
        self.state.get_or_try_init(load).await.map(|_| ())
    }

    async fn read(&self, log: &Arc<dyn Log>) -> Result<Option<String>, OpenError> {
        let Some(tenure) = &self.tenure else { return Ok(log.load_consumer(&self.stream, &self.key).await?) };
        match tenure.owners().load(&self.stream, &self.key, tenure.fence()).await? {
            Loaded::Current(saved) => Ok(saved),
            Loaded::Superseded => {
                tenure.reconsider().await?;
                Err(OpenError::Superseded)
            }
        }
    }

    /// Takes the feed over for a connection and changes it. The bell rings when something is done to it from outside.
    pub fn take_over<T>(
        self: &Arc<Self>,
        connection: u64,
        bell: Arc<dyn Bell>,
        change: impl FnOnce(&mut Feed) -> T,
    ) -> Option<T> {
        let mut state = lock(self.state.get()?);
        if self.is_lost() {
            return None;
        }
        state.owner = Some(Owner { connection, bell });
        drop(state);
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
        if self.is_lost() {
            return None;
        }
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
        self.note(&unheard);
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

    /// What is to be saved now; `None` before it is loaded, and once another server has the consumer.
    pub(crate) fn to_save(&self) -> Option<Save> {
        let state = lock(self.state.get()?);
        (!self.is_lost()).then(|| self.describe(state))
    }

    fn describe(&self, mut state: MutexGuard<'_, State>) -> Save {
        state.version += 1;
        let (saved, version, is_connected) = (state.feed.tracker().saved(), state.version, state.feed.is_attached());
        drop(state);
        let (stream, consumer, state) = (self.stream.clone(), self.key.clone(), to_text(&saved));
        let fence = self.tenure.as_ref().map(|tenure| tenure.fence()).unwrap_or_default();
        Save { stream, consumer, state, fence, version, is_connected }
    }

    /// Saves what became of the events now; `false` if another server has the consumer by now.
    pub(crate) async fn save(&self) -> Result<bool, LogError> {
        let (Some(save), Some(hub)) = (self.to_save(), self.hub.upgrade()) else { return Ok(false) };
        Ok(hub.keep(vec![save]).await?.is_empty())
    }

    /// Another server has the consumer. The connection changes nothing any more; the answer is what it is to be handed.
    pub(super) fn part(&self) -> Option<Save> {
        let mut state = lock(self.state.get()?);
        state.owner = None;
        state.feed.detach();
        Some(self.describe(state))
    }

    /// Whether another server has the consumer: what is here is out of date.
    pub(super) fn is_lost(&self) -> bool {
        self.tenure.as_ref().is_some_and(|tenure| tenure.is_lost())
    }

    /// Whether it is here under this tenure.
    pub(super) fn is_under(&self, tenure: Option<&Arc<Tenure>>) -> bool {
        match (&self.tenure, tenure) {
            (Some(own), Some(tenure)) => Arc::ptr_eq(own, tenure),
            (None, None) => true,
            _ => false,
        }
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

    /// Counts what happened, wakes who waits for it, and tells the server's own log.
    pub(crate) fn note(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        if let Some(hub) = self.hub.upgrade() {
            hub.monitor().observe(&self.stream, &self.key, notices);
            hub.waiters.wake(&self.stream, notices.iter().filter_map(settled));
        }
        notices.iter().for_each(|notice| self.tell(notice));
    }

    /// Ids and numbers, never a payload.
    fn tell(&self, notice: &Notice) {
        let (stream, consumer) = (&self.stream, &self.key.consumer);
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

/// The event that somebody may have waited for.
fn settled(notice: &Notice) -> Option<Seq> {
    match notice {
        Notice::Confirmed { seq, .. } | Notice::Dead { seq, .. } => Some(*seq),
        _ => None,
    }
}
