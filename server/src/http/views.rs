//! The shapes of the answers.

use ackwire::wire::{Epoch, Event, EventId, Seq, StreamName};
use serde::Serialize;

use crate::{
    hub::{Outcome, WaitError},
    log::{Placed, Tail},
};

/// What became of an append.
#[derive(Serialize)]
pub(super) struct AppendedView {
    pub(super) stream: StreamName,
    pub(super) epoch: Epoch,
    pub(super) events: Vec<Placed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waited: Option<Vec<WaitedView>>,
}

/// What came of waiting for an event.
#[derive(Serialize)]
pub(super) struct WaitedView {
    id: EventId,
    #[serde(flatten)]
    outcome: WaitOutcome,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WaitOutcome {
    Known(Outcome),
    /// Nobody waited: the event is appended all the same, so this is no error of the request.
    NotWaited {
        outcome: &'static str,
        message: String,
    },
}

impl WaitedView {
    pub(super) fn new(id: EventId, waited: Result<Outcome, WaitError>) -> Self {
        let outcome = waited.map_or_else(
            |error| WaitOutcome::NotWaited { outcome: "not_waited", message: error.to_string() },
            WaitOutcome::Known,
        );
        Self { id, outcome }
    }
}

/// Where a stream stands, for people and programs.
#[derive(Serialize)]
pub(super) struct StreamView {
    pub(super) stream: StreamName,
    pub(super) epoch: Epoch,
    pub(super) oldest: Seq,
    pub(super) head: Seq,
    pub(super) ended: bool,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl StreamView {
    pub(super) fn new(stream: StreamName, tail: Tail) -> Self {
        let Tail { epoch, oldest, head, ended, events, bytes } = tail;
        Self { stream, epoch, oldest, head, ended, events, bytes }
    }
}

/// A page of a stream's events.
#[derive(Serialize)]
pub(super) struct EventsView<'a> {
    pub(super) stream: &'a StreamName,
    pub(super) epoch: &'a Epoch,
    pub(super) after: Seq,
    pub(super) upto: Seq,
    pub(super) oldest: Seq,
    pub(super) head: Seq,
    pub(super) ended: bool,
    pub(super) events: Vec<&'a Event>,
}

/// A page of streams.
#[derive(Serialize)]
pub(super) struct StreamsView {
    pub(super) streams: Vec<StreamView>,
    /// The `after` of the next page.
    pub(super) next: Option<StreamName>,
}
