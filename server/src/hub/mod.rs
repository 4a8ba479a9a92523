//! Who is connected, and what became of each event for each consumer.
//!
//! A [`Slot`] is one (stream, consumer) in memory. The hub loads it when a connection subscribes, saves it a moment after
//! it has changed, and lets it go once it is saved and nobody is connected.
//!
//! Where several servers share a log, a consumer is one server's at a time. Before a slot is loaded its consumer is taken
//! ([`Owners`](crate::log::Owners)): for a connection from whoever has it, who hands it over; for what is done from outside
//! only if nobody has it, otherwise whoever has it is asked to do it. The slots are loaded and saved under that taking, a
//! tenure, which ends when the last of them has left the memory and nobody is connected, or when somebody else has
//! taken the consumer: then the slots are saved once more and let go. Events and acks know nothing of all this: whose slot
//! is lost has no owner any more, as if a newer connection of the same server had it.

mod depths;
mod operations;
mod retry;
mod saver;
mod seats;
mod slot;
mod tenure;
mod tracked;
mod troubles;
mod views;
mod waiting;
mod words;

pub use depths::Depths;
pub use operations::OperationError;
pub(crate) use retry::RetryCallback;
pub use seats::{Attendance, Crowded, Order, Place, Seat};
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
    log::{ConsumerKey, Fence, Log, LogError, Save, Taker},
    monitor::Monitor,
};
use seats::Seats;
use tenure::{Owned, Tenure, Tenures};
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
    tenures: Tenures,
    waiters: Waiters,
    retry: OnceLock<RetryCallback>,
    /// Slots that have changed since they were saved, each once, and all of them in `slots`.
    dirty: Mutex<Vec<Arc<Slot>>>,
    is_dirty: Notify,
    draining: watch::Sender<Option<Duration>>,
    monitor: Arc<Monitor>,
    /// Starts the tasks once there is something to do: a hub can be made outside of a runtime.
    tasks: Once,
}

impl Hub {
    /// A hub over a log. It saves what changes from a task of its own, which ends with it.
    pub fn new(log: Arc<dyn Log>, monitor: Arc<Monitor>, config: Config, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            tenures: Tenures::new(log.owners()),
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
            tasks: Once::new(),
        })
    }

    /// Has the application send events again itself, from now on: it is asked, for each retry, with the event's id, type
    /// and data and the attempt that this is, within 30 s. `true` counts as sent again, and the log's copy is not sent;
    /// `false`, an error or a panic goes into the event's history and uses the attempt up, and the next retry comes all
    /// the same. How the consumer then confirms is the application's matter ([`Hub::confirm`]). Who comes back is sent what
    /// it has not settled from the log in any case: a retry that is due by then goes out with that, and nobody is asked.
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
        self.seats.ring();
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
    /// stands. A stream that does not exist is created empty. Fails if another server has the consumer.
    pub async fn open(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
    ) -> Result<(Arc<Slot>, Tail), OpenError> {
        match self.own(key, Taker::Operation { not: None }).await? {
            Owned::Here(tenure) => self.open_under(stream, key, tenure).await,
            Owned::Elsewhere(_) | Owned::Overtaken => Err(OpenError::Superseded),
        }
    }

    /// The same for a connection, which takes the consumer from whoever has it [AW-CONN-5].
    pub(crate) async fn open_for(
        self: &Arc<Self>,
        stream: &StreamName,
        seat: &Seat,
    ) -> Result<(Arc<Slot>, Tail), OpenError> {
        let tenure = seat.tenure().await?;
        self.open_under(stream, seat.key(), tenure).await
    }

    async fn open_under(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        tenure: Option<Arc<Tenure>>,
    ) -> Result<(Arc<Slot>, Tail), OpenError> {
        self.start();
        let slot = self.slot(stream, key, tenure)?;
        // However this ends, and whether anybody uses the slot then: being saved is what lets it leave the memory.
        let _queued = slot.queue_on_drop();
        let tail = tail(self.log.tail(stream).await?);
        let config = Config { ask_for_retries: self.retry.get().is_some(), ..self.config };
        slot.load(&self.log, &tail, config).await?;
        Ok((slot, tail))
    }

    /// What became of everything that is in memory goes to the log. Slots that nobody needs leave the memory.
    pub async fn save(&self) -> Result<(), LogError> {
        saver::save(self).await.map(drop)
    }

    /// Keeps what became of consumers. The answer is whose was refused, because another server has them by now.
    async fn keep(&self, saves: Vec<Save>) -> Result<Vec<(ConsumerKey, Fence)>, LogError> {
        let Some(owners) = self.tenures.owners() else {
            let texts = saves.into_iter().map(|save| (save.stream, save.consumer, save.state));
            return self.log.save_consumers(texts.collect()).await.map(|()| Vec::new());
        };
        let refused = owners.save(saves).await?;
        for (key, fence) in &refused {
            if let Some(tenure) = self.tenures.current(key).filter(|tenure| tenure.fence() == *fence) {
                tenure.reconsider().await?;
            }
        }
        Ok(refused)
    }

    fn slot(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        tenure: Option<Arc<Tenure>>,
    ) -> Result<Arc<Slot>, OpenError> {
        let name = (stream.clone(), key.clone());
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&name).filter(|slot| slot.is_under(tenure.as_ref())) {
            return Ok(slot.clone());
        }
        if slots.len() >= self.max_feeds && !slots.contains_key(&name) {
            return Err(OpenError::TooMany(self.max_feeds));
        }
        let slot = Arc::new(Slot::new(self, stream, key, tenure.clone()));
        let out_of_date = slots.insert(name, slot.clone());
        drop(slots);
        // Not while the map is locked: it may be the last that has its consumer.
        drop(out_of_date);
        if let Some(tenure) = tenure {
            tenure.add(&slot);
            // Whoever loses it takes the slots out of the memory that it has by then.
            if tenure.is_lost() {
                self.remove(&slot);
                return Err(OpenError::Superseded);
            }
        }
        Ok(slot)
    }

    /// Takes a slot out of the memory.
    fn remove(&self, slot: &Arc<Slot>) {
        let name = (slot.stream().clone(), slot.key().clone());
        let mut slots = lock(&self.slots);
        if slots.get(&name).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            slots.remove(&name);
        }
    }

    fn start(self: &Arc<Self>) {
        self.tasks.call_once(|| {
            tokio::spawn(saver::run(Arc::downgrade(self)));
            if let Some(words) = self.tenures.owners().and_then(|owners| owners.words()) {
                tokio::spawn(words::run(Arc::downgrade(self), words));
            }
        });
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
    /// Another server has the consumer.
    #[error("another server has taken this consumer meanwhile: try again")]
    Superseded,
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
