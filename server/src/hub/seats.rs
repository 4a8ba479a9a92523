//! One seat for each consumer: the newest connection has it.

use ackwire::{
    deliver::Bucket,
    wire::{ClientSession, ConsumerId},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{
    lock,
    tenure::{Tenure, take_for},
};
use crate::{
    clock,
    limits::Limits,
    log::{Bell, ConsumerKey},
    peers::{Crowd, Pace, Peer, Presence},
};

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Stay,
    /// A newer connection of the consumer has the seat [AW-CONN-5].
    Replaced,
    /// Close, and come back: what is known of the consumer has to be read anew.
    Return,
    /// Break off without a word.
    Cut,
}

/// Everyone who is connected.
pub struct Seats {
    taken: Mutex<HashMap<ConsumerKey, (u64, Arc<Orders>)>>,
    /// Of every connection, whether it has a seat or not.
    bells: Arc<Mutex<HashMap<u64, Weak<dyn Bell>>>>,
    next: AtomicU64,
    room: Arc<Semaphore>,
    most: usize,
    handshakes: Mutex<Bucket>,
    crowd: Arc<Crowd>,
    pace: Pace,
}

/// From the seats to one connection.
pub(super) struct Orders {
    /// Which connection of which client it is, if that is known.
    session: Option<ClientSession>,
    last: Mutex<Order>,
    bell: Arc<dyn Bell>,
}

impl Orders {
    fn give(&self, order: Order) {
        *lock(&self.last) = order;
        self.bell.ring();
    }

    /// The same, unless it was told something already.
    pub(super) fn tell(&self, order: Order) {
        let mut last = lock(&self.last);
        if *last == Order::Stay {
            *last = order;
            drop(last);
            self.bell.ring();
        }
    }

    pub(super) fn session(&self) -> Option<&ClientSession> {
        self.session.as_ref()
    }

    /// Whether the other one is of the same client, and newer.
    fn is_before(&self, other: &Self) -> bool {
        self.session.as_ref().zip(other.session.as_ref()).is_some_and(|(own, other)| own.is_before(other))
    }

    pub(super) fn last(&self) -> Order {
        *lock(&self.last)
    }
}

/// Keeps a connection's bell with the seats, until it is dropped.
pub struct Attendance {
    bells: Arc<Mutex<HashMap<u64, Weak<dyn Bell>>>>,
    id: u64,
}

impl Drop for Attendance {
    fn drop(&mut self) {
        lock(&self.bells).remove(&self.id);
    }
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// There are as many as there may be.
    Full,
    /// Too many came in a short time.
    Rush,
    /// The peer has as many as one may have.
    PeerFull,
    /// Too many of the peer came in a short time.
    PeerRush,
}

/// A connection's place in the server, given back on drop.
pub struct Place {
    _room: OwnedSemaphorePermit,
    _presence: Option<Presence>,
}

/// A consumer's seat, given back on drop.
pub struct Seat {
    pub(super) seats: Arc<super::Hub>,
    pub(super) key: ConsumerKey,
    id: u64,
    pub(super) orders: Arc<Orders>,
    /// The consumer, once it is taken; `None` if no other server could have it.
    pub(super) tenure: Option<Arc<OnceCell<Arc<Tenure>>>>,
}

impl Seats {
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.max_connections.min(Semaphore::MAX_PERMITS);
        let handshakes = Bucket::new(clock::now(), limits.max_handshakes_per_second, limits.max_handshake_burst);
        Self {
            taken: Mutex::default(),
            bells: Arc::default(),
            next: AtomicU64::new(1),
            room: Arc::new(Semaphore::new(most)),
            most,
            handshakes: Mutex::new(handshakes),
            crowd: Crowd::new(limits.max_connections_per_peer),
            pace: Pace::new(limits.max_handshakes_per_second_per_peer, limits.max_handshake_burst_per_peer),
        }
    }

    /// Lets a connection in, unless there are too many, or too many in a short time, of the peer or of all.
    pub fn enter(&self, peer: Option<Peer>) -> Result<Place, Crowded> {
        let now = clock::now();
        // The peer first: what is too much of one takes nothing from the others.
        if peer.is_some_and(|peer| !self.pace.take(now, peer)) {
            return Err(Crowded::PeerRush);
        }
        let enter = |peer| self.crowd.enter(peer).ok_or(Crowded::PeerFull);
        let presence = peer.map(enter).transpose()?;
        let room = self.room.clone().try_acquire_owned().map_err(|_| Crowded::Full)?;
        let is_calm = lock(&self.handshakes).take(now);
        if is_calm { Ok(Place { _room: room, _presence: presence }) } else { Err(Crowded::Rush) }
    }

    /// From now on the bell rings when every connection is told something.
    pub fn attend(&self, bell: Weak<dyn Bell>) -> Attendance {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.bells).insert(id, bell);
        Attendance { bells: self.bells.clone(), id }
    }

    /// Of two connections of a consumer the newer one has the seat, and the other is told.
    fn seat(&self, key: &ConsumerKey, id: u64, orders: &Arc<Orders>) {
        let mut taken = lock(&self.taken);
        match taken.get(key) {
            Some((_, newer)) if orders.is_before(newer) => orders.give(Order::Replaced),
            _ => {
                if let Some((_, older)) = taken.insert(key.clone(), (id, orders.clone())) {
                    older.give(Order::Replaced);
                }
            }
        }
    }

    /// Rings every connection's bell.
    pub(super) fn ring(&self) {
        let bells: Vec<_> = lock(&self.bells).values().cloned().collect();
        bells.iter().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
    }

    pub(super) fn connections(&self) -> usize {
        self.most - self.room.available_permits()
    }

    pub(super) async fn emptied(&self) {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        // Fails only if the semaphore is closed, which nobody does.
        drop(self.room.acquire_many(all).await);
    }

    pub(super) fn cut(&self, consumer: &ConsumerId) {
        for (key, (_, orders)) in lock(&self.taken).iter() {
            if key.consumer == *consumer {
                orders.give(Order::Cut);
            }
        }
    }
}

impl Seat {
    /// Takes the consumer's seat. Who had it is told, and from this moment is not listened to any more; on another server,
    /// from when the consumer is taken from it, which is begun here. If a newer connection of the same client has it, then
    /// this one is told so. The bell rings when the connection itself is told something. Must be called inside a tokio
    /// runtime.
    pub fn take(hub: &Arc<super::Hub>, key: ConsumerKey, session: Option<ClientSession>, bell: Arc<dyn Bell>) -> Self {
        let seats = &hub.seats;
        let id = seats.next.fetch_add(1, Ordering::Relaxed);
        let orders = Arc::new(Orders { session, last: Mutex::new(Order::Stay), bell });
        seats.seat(&key, id, &orders);
        let tenure = hub.tenures.owners().map(|_| Arc::default());
        if let Some(tenure) = tenure.clone() {
            let (hub, key, orders) = (hub.clone(), key.clone(), orders.clone());
            tokio::spawn(async move {
                if let Err(error) = take_for(&hub, &key, &orders, &tenure).await {
                    tracing::debug!(%error, "the consumer is taken with its first subscription");
                }
            });
        }
        Self { seats: hub.clone(), key, id, orders, tenure }
    }

    /// The connection's number, unique in this life of the server.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whose confirmations are tracked.
    pub fn key(&self) -> &ConsumerKey {
        &self.key
    }

    /// What the connection is told.
    pub fn order(&self) -> Order {
        self.orders.last()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.seats.seats.taken);
        if taken.get(&self.key).is_some_and(|(id, _)| *id == self.id) {
            taken.remove(&self.key);
        }
        drop(taken);
        // Whatever is still being taken for it.
        self.orders.tell(Order::Cut);
    }
}
