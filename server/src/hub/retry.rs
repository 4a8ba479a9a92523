//! Retries that the application sends itself.

use ackwire::wire::{Event, EventId, EventType};
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use std::{fmt::Display, sync::Arc, time::Duration};

/// How long the application may take to send an event again.
const WITHIN: Duration = Duration::from_secs(30);

type Retry = dyn Fn(EventId, EventType, Box<RawValue>, u32) -> BoxFuture<'static, Result<bool, String>> + Send + Sync;

/// An application's way to send an event again.
#[derive(Clone)]
pub(crate) struct RetryCallback(Arc<Retry>);

impl RetryCallback {
    pub(super) fn new<F, A, E>(callback: F) -> Self
    where
        F: Fn(EventId, EventType, Box<RawValue>, u32) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + Send + 'static,
        E: Display,
    {
        Self(Arc::new(move |id, event_type, data, attempt| {
            let answer = callback(id, event_type, data, attempt);
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        }))
    }

    /// Asks for an event to be sent again: the `attempt` that this is. What keeps it from counting as sent is the error.
    pub(crate) async fn ask(&self, event: &Event, attempt: u32) -> Result<(), String> {
        let callback = self.0.clone();
        let (id, event_type, data) = (event.id.clone(), event.event_type.clone(), event.data.clone());
        // A task of its own, so that a panic ends nothing else.
        let asked = tokio::spawn(async move { callback(id, event_type, data, attempt).await });
        let abort = asked.abort_handle();
        match tokio::time::timeout(WITHIN, asked).await {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Ok(false))) => Err("the application did not send it again".into()),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(panic)) => Err(format!("the application's retry broke off: {panic}")),
            Err(_) => {
                abort.abort();
                Err(format!("the application's retry took more than {} s", WITHIN.as_secs()))
            }
        }
    }
}
