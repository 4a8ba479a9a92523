//! One stream on one connection.

use ackwire::{base::Instant, deliver::Feed};
use std::sync::Arc;

use super::jobs::SubscriptionId;
use crate::{hub::Slot, log::Watch};

/// A feed that this connection has attached. Dropping it detaches it.
pub(super) struct Subscription {
    pub id: SubscriptionId,
    slot: Arc<Slot>,
    connection: u64,
    watch: Watch,
    /// When the feed's timer is due.
    pub due: Option<Instant>,
    /// Whether the feed may have something to say.
    pub is_stirred: bool,
}

impl Subscription {
    pub fn new(id: SubscriptionId, slot: Arc<Slot>, connection: u64, watch: Watch) -> Self {
        Self { id, slot, connection, watch, due: None, is_stirred: true }
    }

    /// Hands the feed an input; `None` if a newer connection has it.
    pub fn input<T>(&mut self, input: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        self.is_stirred = true;
        self.slot.with(self.connection, input)
    }

    /// Takes the feed's outputs, and hands it what it wants of the stream as far as that is in memory; `None` if a newer
    /// connection has it.
    pub fn output<T>(&mut self, output: impl FnOnce(&mut Feed, &Watch) -> T) -> Option<T> {
        self.slot.with(self.connection, |feed| output(feed, &self.watch))
    }

    /// Its bell has rung: the stream has moved, or something was done to the feed from outside.
    pub fn handle_bell(&mut self, now: Instant) {
        let tail = self.watch.tail();
        self.input(|feed| tail.into_iter().for_each(|tail| feed.handle_tail(now, crate::hub::tail(tail))));
    }

    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.slot.detach(self.connection);
    }
}
