//! One stream on one connection.

use ackwire::{base::Instant, deliver::Feed};
use futures_util::future::AbortHandle;
use std::sync::Arc;

use super::jobs::SubscriptionId;
use crate::hub::Slot;

/// A feed that this connection has attached. Dropping it detaches it.
pub(super) struct Subscription {
    pub id: SubscriptionId,
    slot: Arc<Slot>,
    connection: u64,
    /// Waits for the stream to move.
    pub watch: AbortHandle,
    /// Waits for something to be done to the feed from outside.
    pub stir: AbortHandle,
    /// When the feed's timer is due.
    pub due: Option<Instant>,
    /// Whether the feed may have something to say.
    pub is_stirred: bool,
}

impl Subscription {
    pub fn new(id: SubscriptionId, slot: Arc<Slot>, connection: u64, watch: AbortHandle, stir: AbortHandle) -> Self {
        Self { id, slot, connection, watch, stir, due: None, is_stirred: true }
    }

    /// Hands the feed an input; `None` if a newer connection has it.
    pub fn input<T>(&mut self, input: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        self.is_stirred = true;
        self.slot.with(self.connection, input)
    }

    /// Takes the feed's outputs; `None` if a newer connection has it.
    pub fn output<T>(&mut self, output: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        self.slot.with(self.connection, output)
    }

    pub fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watch.abort();
        self.stir.abort();
        self.slot.detach(self.connection);
    }
}
