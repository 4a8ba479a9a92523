//! Consumers with what does not go well for them, for operators.

use ackwire::{
    deliver::{State, Troubled},
    wire::{EventId, Priority, Seq, StreamName},
};
use serde::Serialize;

use super::{ConsumerView, Hub};
use crate::log::LogError;

/// Most troubled events that are listed of one consumer.
const MAX_LISTED: usize = 20;

/// A consumer of a stream, and its troubled events.
#[derive(Clone, Debug, Serialize)]
pub struct TroubledConsumer {
    /// Who, and how far.
    #[serde(flatten)]
    pub consumer: ConsumerView,
    /// How many of its events have failed or timed out and are not confirmed.
    pub troubled: usize,
    /// The first of them: unsettled ones, then dead ones, each oldest first.
    pub troubles: Vec<TroubleView>,
}

/// An event that has failed or timed out for a consumer and is not confirmed.
#[derive(Clone, Debug, Serialize)]
pub struct TroubleView {
    /// Its place in the stream.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Its priority.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// How often it was sent.
    pub attempt: u32,
    /// When its retry or its deadline is due, in milliseconds since 1970.
    pub due: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl From<Troubled<'_>> for TroubleView {
    fn from(troubled: Troubled<'_>) -> Self {
        let Troubled { seq, id, priority, state, attempt, due, last_error } = troubled;
        let (id, due) = (id.clone(), due.map(|at| at.as_millis()));
        Self { seq, id, priority, state, attempt, due, last_error: last_error.map(str::to_owned) }
    }
}

impl Hub {
    /// Every consumer of the stream, in the order of their names, with its troubled events.
    pub async fn troubled_consumers(&self, stream: &StreamName) -> Result<Vec<TroubledConsumer>, LogError> {
        self.each(stream, |key, tracker, connected| TroubledConsumer {
            consumer: ConsumerView::new(key, tracker, connected),
            troubled: tracker.troubled().count(),
            troubles: tracker.troubled().take(MAX_LISTED).map(TroubleView::from).collect(),
        })
        .await
    }
}
