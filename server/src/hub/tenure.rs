//! The consumers that this server has, where others share its log.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::OnceCell;

use super::{Hub, OpenError, Order, Slot, lock, seats::Orders};
use crate::log::{ConsumerKey, Fence, LogError, Owners, Purpose, ServerId, Taken, Taker};

/// What this server has of the consumers.
pub(super) struct Tenures {
    /// `None`: no other server shares the log, and everything is this one's.
    owners: Option<Arc<dyn Owners>>,
    /// One for each consumer that is in memory or being taken: at most `max_connections` and `max_feeds`, and the
    /// operations that are under way.
    entries: Mutex<HashMap<ConsumerKey, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// A consumer is taken by one at a time.
    turn: tokio::sync::Mutex<()>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    tenure: Weak<Tenure>,
    /// The newest taking by somebody else that was heard of.
    superseded: Option<(Fence, Purpose)>,
}

/// Who has a consumer.
pub(super) enum Owned {
    /// This server; with a tenure, if it could be another one.
    Here(Option<Arc<Tenure>>),
    /// Another one.
    Elsewhere(ServerId),
    /// A newer connection, or the one that wanted it has gone.
    Overtaken,
}

/// A consumer that this server has taken, given back on drop. Its slots and its connection have it.
pub(crate) struct Tenure {
    hub: Weak<Hub>,
    owners: Arc<dyn Owners>,
    key: ConsumerKey,
    fence: Fence,
    /// Those in memory, and those that left it since the last was added.
    slots: Mutex<Vec<Weak<Slot>>>,
    guest: Mutex<Guest>,
    is_lost: AtomicBool,
    /// Whether everything that was known under it is saved, since it is lost.
    is_parted: OnceCell<()>,
}

/// The newest connection that has it.
#[derive(Default)]
struct Guest {
    orders: Option<Arc<Orders>>,
    /// What a connection is told that comes once it is lost.
    lost: Option<Order>,
}

impl Tenures {
    pub fn new(owners: Option<Arc<dyn Owners>>) -> Self {
        Self { owners, entries: Mutex::default() }
    }

    /// How the servers that share the log agree, if there may be others.
    pub fn owners(&self) -> Option<&Arc<dyn Owners>> {
        self.owners.as_ref()
    }

    /// What this server has taken of a consumer.
    pub fn current(&self, key: &ConsumerKey) -> Option<Arc<Tenure>> {
        self.look(key, Entry::tenure)
    }

    /// Notes that somebody else has taken a consumer, and what this server has taken of it before.
    fn supersede(&self, key: &ConsumerKey, fence: Fence, purpose: Purpose) -> Option<Arc<Tenure>> {
        let tenure = self.look(key, |entry| {
            let mut current = lock(&entry.current);
            if current.superseded.is_none_or(|(known, _)| known < fence) {
                current.superseded = Some((fence, purpose));
            }
            current.tenure.upgrade()
        });
        tenure.filter(|tenure| tenure.fence < fence)
    }

    fn look<T>(&self, key: &ConsumerKey, look: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        let entry = lock(&self.entries).get(key).cloned()?;
        let seen = look(&entry);
        drop(entry);
        if seen.is_none() {
            self.tidy(key);
        }
        seen
    }

    /// Lets the entry of a consumer go that nobody has and nobody takes.
    fn tidy(&self, key: &ConsumerKey) {
        let mut entries = lock(&self.entries);
        let is_idle =
            |entry: &Arc<Entry>| Arc::strong_count(entry) == 1 && lock(&entry.current).tenure.strong_count() == 0;
        if entries.get(key).is_some_and(is_idle) {
            entries.remove(key);
        }
    }
}

impl Entry {
    /// What was taken and is not lost.
    fn tenure(&self) -> Option<Arc<Tenure>> {
        let tenure = lock(&self.current).tenure.upgrade();
        tenure.filter(|tenure| !tenure.is_lost())
    }

    /// It was taken. The answer is for what somebody else has taken it since, if that was heard of.
    fn set(&self, tenure: &Arc<Tenure>) -> Option<Purpose> {
        let mut current = lock(&self.current);
        current.tenure = Arc::downgrade(tenure);
        current.superseded.filter(|(newer, _)| *newer > tenure.fence).map(|(_, purpose)| purpose)
    }
}

impl Hub {
    /// Has this server take a consumer, if it can be.
    pub(super) async fn own(self: &Arc<Self>, key: &ConsumerKey, taker: Taker) -> Result<Owned, LogError> {
        let Some(owners) = self.tenures.owners() else { return Ok(Owned::Here(None)) };
        self.start();
        let (hub, owners, key) = (self.clone(), owners.clone(), key.clone());
        // A task of its own: whoever asked may lose interest, and what was taken is given back all the same.
        let taken = tokio::spawn(async move {
            let entry = lock(&hub.tenures.entries).entry(key.clone()).or_default().clone();
            let owned = hub.take(&entry, owners, &key, &taker).await;
            drop(entry);
            hub.tenures.tidy(&key);
            owned
        });
        taken.await.unwrap_or_else(|error| Err(LogError::broken(format!("a consumer was not taken: {error}"))))
    }

    async fn take(
        self: &Arc<Self>,
        entry: &Entry,
        owners: Arc<dyn Owners>,
        key: &ConsumerKey,
        taker: &Taker,
    ) -> Result<Owned, LogError> {
        let _turn = entry.turn.lock().await;
        let before = entry.tenure();
        let held = before.as_ref().map(|tenure| tenure.fence);
        let taken = owners.take(key, held, taker).await?;
        let Taken::Here(fence) = taken else {
            if let Some(before) = before {
                before.reconsider().await?;
            }
            return Ok(if let Taken::Elsewhere(server) = taken { Owned::Elsewhere(server) } else { Owned::Overtaken });
        };
        if let Some(before) = before {
            if before.fence == fence {
                return Ok(Owned::Here(Some(before)));
            }
            // Somebody had it in between.
            before.lose(order(taker.purpose())).await;
        }
        let tenure = Arc::new(Tenure {
            hub: Arc::downgrade(self),
            owners,
            key: key.clone(),
            fence,
            slots: Mutex::default(),
            guest: Mutex::default(),
            is_lost: AtomicBool::new(false),
            is_parted: OnceCell::new(),
        });
        // While it was being taken somebody else may have taken it.
        if let Some(purpose) = entry.set(&tenure) {
            tenure.lose(order(purpose)).await;
        }
        Ok(Owned::Here(Some(tenure)))
    }

    /// Another server has taken a consumer. Once this is done, nothing is done for it here, and everything is saved.
    pub(super) async fn hand_over(&self, key: &ConsumerKey, fence: Fence, purpose: Purpose) {
        if let Some(tenure) = self.tenures.supersede(key, fence, purpose) {
            tracing::info!(consumer = %key.consumer, ?purpose, "taken by another server");
            tenure.lose(order(purpose)).await;
        }
    }

    /// Whether what this server has is still its own, so that it may do by itself what others could do, too.
    pub(crate) fn is_in_touch(&self) -> bool {
        self.tenures.owners().is_none_or(|owners| owners.is_in_touch())
    }

    /// Gives back every consumer: this server goes away.
    pub async fn leave(&self) -> Result<(), LogError> {
        match self.tenures.owners() {
            Some(owners) => owners.leave().await,
            None => Ok(()),
        }
    }
}

/// What the connection of a consumer is told that was taken for this.
fn order(purpose: Purpose) -> Order {
    match purpose {
        Purpose::Connection => Order::Replaced,
        // Nobody else is connected: it may come back.
        Purpose::Operation => Order::Return,
    }
}

impl Tenure {
    pub fn owners(&self) -> &Arc<dyn Owners> {
        &self.owners
    }

    pub fn fence(&self) -> Fence {
        self.fence
    }

    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// A connection has it, unless a newer one of this server speaks for the consumer by now.
    pub(super) fn seat(&self, orders: &Arc<Orders>) {
        let mut guest = lock(&self.guest);
        match guest.lost {
            Some(order) => orders.tell(order),
            None if orders.last() == Order::Stay => guest.orders = Some(orders.clone()),
            None => {}
        }
    }

    /// A slot has it.
    pub(super) fn add(&self, slot: &Arc<Slot>) {
        let mut slots = lock(&self.slots);
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(slot));
    }

    /// The log has refused something, or somebody else seems to have the consumer: looks who has it.
    pub(super) async fn reconsider(&self) -> Result<(), LogError> {
        let superseded = self.owners.superseded(&self.key, self.fence).await?;
        // Nobody has it, but somebody had: what is known here is out of date.
        self.lose(superseded.map_or(Order::Return, order)).await;
        Ok(())
    }

    /// Somebody else has the consumer: its connection is told, nothing more becomes of its events here, and what became of
    /// them is saved, unless the other one does not wait for it any more.
    pub(super) async fn lose(&self, order: Order) {
        self.dismiss(order);
        self.is_parted.get_or_init(|| self.part()).await;
    }

    fn dismiss(&self, order: Order) {
        let mut guest = lock(&self.guest);
        self.is_lost.store(true, Ordering::SeqCst);
        let order = *guest.lost.get_or_insert(order);
        if let Some(orders) = guest.orders.take() {
            orders.tell(order);
        }
    }

    async fn part(&self) {
        let Some(hub) = self.hub.upgrade() else { return };
        let slots: Vec<Arc<Slot>> = lock(&self.slots).drain(..).filter_map(|slot| slot.upgrade()).collect();
        slots.iter().for_each(|slot| hub.remove(slot));
        let saves: Vec<_> = slots.iter().filter_map(|slot| slot.part()).collect();
        if !saves.is_empty()
            && let Err(error) = self.owners.save(saves).await
        {
            tracing::warn!(consumer = %self.key.consumer, %error, "what became of the last events was not handed over");
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.owners.release(&self.key, self.fence);
        if let Some(hub) = self.hub.upgrade() {
            hub.tenures.tidy(&self.key);
        }
    }
}

impl super::Seat {
    /// What was taken for this connection; `None` if no other server could have it. Taken with the first call.
    pub(super) async fn tenure(&self) -> Result<Option<Arc<Tenure>>, OpenError> {
        let Some(tenure) = &self.tenure else { return Ok(None) };
        take_for(&self.seats, &self.key, &self.orders, tenure).await.map(Some)
    }
}

/// Takes a consumer for a connection, unless that was told to go by now.
pub(super) async fn take_for(
    hub: &Arc<Hub>,
    key: &ConsumerKey,
    orders: &Arc<Orders>,
    tenure: &OnceCell<Arc<Tenure>>,
) -> Result<Arc<Tenure>, OpenError> {
    let take = async || {
        if orders.last() != Order::Stay {
            return Err(OpenError::Superseded);
        }
        let (session, asking) = (orders.session().cloned(), orders.clone());
        let is_there = Arc::new(move || asking.last() == Order::Stay);
        match hub.own(key, Taker::Connection { session, is_there }).await? {
            Owned::Here(Some(tenure)) => {
                tenure.seat(orders);
                Ok(tenure)
            }
            Owned::Here(None) | Owned::Elsewhere(_) => Err(OpenError::Superseded),
            Owned::Overtaken => {
                orders.tell(Order::Replaced);
                Err(OpenError::Superseded)
            }
        }
    };
    tenure.get_or_try_init(take).await.cloned()
}
