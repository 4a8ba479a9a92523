//! Who is connected, and what became of each event for each consumer.
//!
//! A [`Slot`] is one (stream, consumer) in memory. The hub loads it when a connection subscribes, saves it a moment after
//! it has changed, and lets it go once it is saved and nobody is connected.

mod depths;
mod operations;
mod retry;
mod saver;
mod seats;
mod slot;
mod tracked;
mod troubles;
mod views;
mod waiting;

pub use depths::Depths;
pub use operations::OperationError;
pub(crate) use retry::RetryCallback;
pub use seats::{Crowded, Order, Place, Seat};
pub use slot::Slot;
pub use tracked::{Listing, Selection, TrackedView};
pub use troubles::{TroubleView, TroubledConsumer};
pub use views::{ConsumerView, DeliveryView};
pub use waiting::{Awaited, Outcome, WaitError};

use ackwire::{
    base::Duration,
    deliver::{Config, Saved, Tail, Tracker},
    wire::{ConsumerId, EventId, EventType, StreamName},
};
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError},
};
use tokio::sync::{Notify, watch};

use crate::{
    limits::Limits,
    log::{ConsumerKey, Log, LogError},
    monitor::Monitor,
};
use seats::Seats;
use waiting::Waiters;

type Key = (StreamName, ConsumerKey);

/// The live side of a server. Cheap to share.
pub struct Hub {
    log: Arc<dyn Log>,
    config: Config,
    /// At most `max_feeds`.
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    max_feeds: usize,
    seats: Seats,
    waiters: Waiters,
    retry: OnceLock<RetryCallback>,
    /// Slots that have changed since they were saved, each once, and all of them in `slots`.
    dirty: Mutex<Vec<Arc<Slot>>>,
    is_dirty: Notify,
    draining: watch::Sender<Option<Duration>>,
    monitor: Arc<Monitor>,
    /// Starts the task that saves, once there is something to save: a hub can be made outside of a runtime.
    saver: Once,
}

impl Hub {
    /// A hub over a log. It saves what changes from a task of its own, which ends with it.
    pub fn new(log: Arc<dyn Log>, monitor: Arc<Monitor>, config: Config, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            log,
            config,
            slots: Mutex::default(),
            max_feeds: limits.max_feeds,
            seats: Seats::new(limits),
            waiters: Waiters::new(limits.max_waiters),
            retry: OnceLock::new(),
            dirty: Mutex::default(),
            is_dirty: Notify::new(),
            draining: watch::channel(None).0,
            monitor,
            saver: Once::new(),
        })
    }

    /// Has the application send events again itself, from now on: it is asked, for each retry, with the event's id, type
    /// and data and the attempt that this is, within 30 s. `true` counts as sent again, and the log's copy is not sent;
    /// `false`, an error or a panic goes into the event's history and uses the attempt up, and the next retry comes all
    /// the same. How the consumer then confirms is the application's matter ([`Hub::confirm`]).
    ///
    /// To be called once, before anybody connects; a later call changes nothing and answers `false`.
    pub fn on_retry<F, A, E>(&self, callback: F) -> bool
    where
        F: Fn(EventId, EventType, Box<RawValue>, u32) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + Send + 'static,
        E: Display,
    {
        self.retry.set(RetryCallback::new(callback)).is_ok()
    }

    pub(crate) fn retry(&self) -> Option<&RetryCallback> {
        self.retry.get()
    }

    /// The streams.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Everyone who is connected, and who may be.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Who is told what happens.
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.seats.connections()
    }

    /// Breaks off the connections of a consumer, whoever's it is, as the network might: without a word.
    pub fn cut(&self, consumer: &ConsumerId) {
        self.seats.cut(consumer);
    }

    /// Asks every connection to go elsewhere within `span`; they close when it is over [AW-DRAIN]. Returns at once.
    pub fn drain(&self, span: Duration) {
        self.draining.send_replace(Some(span));
    }

    /// Becomes `Some` when the server drains.
    pub fn draining(&self) -> watch::Receiver<Option<Duration>> {
        self.draining.subscribe()
    }

    /// Ends once nobody is connected.
    pub async fn emptied(&self) {
        self.seats.emptied().await;
    }

    /// The slot of a stream and a consumer, in memory from now on for as long as somebody holds it, and where the stream
    /// stands. A stream that does not exist is created empty.
    pub async fn open(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
    ) -> Result<(Arc<Slot>, Tail), OpenError> {
        self.saver.call_once(|| drop(tokio::spawn(saver::run(Arc::downgrade(self)))));
        let slot = self.slot(stream, key)?;
        // However this ends, and whether anybody uses the slot then: being saved is what lets it leave the memory.
        let _queued = slot.queue_on_drop();
        let tail = tail(self.log.tail(stream).await?);
        let config = Config { ask_for_retries: self.retry.get().is_some(), ..self.config };
        slot.load(&self.log, &tail, config).await?;
        Ok((slot, tail))
    }

    /// What became of everything that is in memory goes to the log. Slots that nobody needs leave the memory.
    pub async fn save(&self) -> Result<(), LogError> {
        saver::save(self).await
    }

    fn slot(self: &Arc<Self>, stream: &StreamName, key: &ConsumerKey) -> Result<Arc<Slot>, OpenError> {
        let name = (stream.clone(), key.clone());
        let mut slots = lock(&self.slots);
        if slots.len() >= self.max_feeds && !slots.contains_key(&name) {
            return Err(OpenError::TooMany(self.max_feeds));
        }
        Ok(slots.entry(name).or_insert_with(|| Arc::new(Slot::new(self, stream, key))).clone())
    }

    fn mark_dirty(&self, slot: Arc<Slot>) {
        lock(&self.dirty).push(slot);
        self.is_dirty.notify_one();
    }
}

/// Why what is known of a consumer is not in memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// So many are there already.
    #[error("this server has {0} subscriptions in memory (--max-feeds): try again later")]
    TooMany(usize),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Where a stream stands, in the words of the core.
pub(crate) fn tail(tail: crate::log::Tail) -> Tail {
    Tail { epoch: tail.epoch, oldest: tail.oldest, head: tail.head, ended: tail.ended }
}

/// What is saved, as text.
pub(crate) fn to_text(saved: &Saved) -> String {
    serde_json::to_string(saved).expect("what is saved has string keys only")
}

/// What a saved text says; a consumer whose text cannot be read begins anew, and gets everything again.
fn parse(text: &str) -> Option<Tracker> {
    serde_json::from_str(text).map(Tracker::from_saved).map_err(|error| tracing::error!(%error, "unreadable")).ok()
}

/// What a panicking holder left is whole: every change is made by the core, which leaves its state consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
