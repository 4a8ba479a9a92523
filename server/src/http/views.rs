//! The shapes of the answers.

use ackwire::wire::{Epoch, Event, Seq, StreamName};
use serde::Serialize;

use crate::log::{Placed, Tail};

/// What became of an append.
#[derive(Serialize)]
pub(super) struct AppendedView {
    pub(super) stream: StreamName,
    pub(super) epoch: Epoch,
    pub(super) events: Vec<Placed>,
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
