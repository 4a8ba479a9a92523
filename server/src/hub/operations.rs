//! What is done to single events from outside of their consumer's connection.

use ackwire::{
    deliver::{Feed, NotDone},
    wire::{Event, StreamName},
};
use std::sync::Arc;

use super::{Hub, OpenError, Slot};
use crate::{clock, log::ConsumerKey};

/// Why an operation was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// Nobody of this name has ever subscribed to the stream.
    #[error("the stream has no such consumer")]
    UnknownConsumer,
    /// The event is not where this could be done to it.
    #[error("{0}")]
    NotDone(NotDone),
    /// What is known of the consumer could not be read, or there is no room for it in memory.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Hub {
    /// The event is applied. `false` if it was confirmed before.
    pub async fn confirm(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<bool, OperationError> {
        self.operate(stream, key, |feed| feed.confirm(clock::now(), event)).await
    }

    /// The event could not be applied: it is sent again, or given up without `retry` or retries left.
    pub async fn fail(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
        error: &str,
        retry: bool,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, |feed| feed.fail_event(clock::now(), event, error, retry)).await
    }

    /// A dead letter is sent again, with all its retries [AW-SEND-9].
    pub async fn requeue(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, |feed| feed.requeue(clock::now(), event)).await
    }

    /// A dead letter is put away. The event stays failed for good.
    pub async fn discard(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, |feed| feed.discard(event.seq)).await
    }

    async fn operate<T>(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        operation: impl FnOnce(&mut Feed) -> Result<T, NotDone>,
    ) -> Result<T, OperationError> {
        let slot = self.known(stream, key).await?.ok_or(OperationError::UnknownConsumer)?;
        let done = slot.operate(operation).ok_or(OperationError::UnknownConsumer)?;
        done.map_err(OperationError::NotDone)
    }

    /// The slot of a consumer that has subscribed to the stream, now or earlier.
    async fn known(self: &Arc<Self>, stream: &StreamName, key: &ConsumerKey) -> Result<Option<Arc<Slot>>, OpenError> {
        let is_live = super::lock(&self.slots).contains_key(&(stream.clone(), key.clone()));
        if !is_live && self.log.load_consumer(stream, key).await?.is_none() {
            return Ok(None);
        }
        let (slot, tail) = self.open(stream, key).await?;
        // What was known of an earlier log says nothing of this one.
        let is_current = slot.look(|tracker, _| *tracker.epoch() == tail.epoch).unwrap_or(false);
        Ok(Some(slot).filter(|_| is_current))
    }
}
