//! One subscription of a page: what waits for its handler, what runs, and what the application saw.

use ackwire::receive::{Outcome, SubscriptionId};
use ackwire::wire::{Epoch, Event, EventId, From, Seq, StreamName};
use std::collections::{BTreeMap, VecDeque};

use crate::seen::{Handling, Seen};

/// An event as it came to a page.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// What the application is given.
    pub event: Event,
    /// What it took of the window.
    pub bytes: usize,
    /// Whether this is its second life, outside of the window [AW-SEND-9].
    pub is_requeued: bool,
}

/// What waits for its handler.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The delivery that it came in.
    pub run: u64,
    /// Its number among all that came to this subscription.
    pub number: u64,
    pub arrived: Arrived,
}

/// One subscription in one page life.
#[derive(Debug)]
pub struct Reader {
    /// Its name.
    pub stream: StreamName,
    /// How the session names it; `None` once the application has unsubscribed.
    pub subscription: Option<SubscriptionId>,
    /// What it was asked to begin with.
    pub from: From,
    /// What the application saw.
    pub seen: Vec<Seen>,
    /// How much of it was traced.
    pub noted: usize,
    pub(crate) epoch: Option<Epoch>,
    /// How many events have come.
    pub(crate) arrivals: u64,
    /// What lies up to here may not have been sent on this connection, or no longer counts: it was carried over, or
    /// comes before the end of a lost range [AW-SEND-4].
    pub(crate) feed_start: Seq,
    pub(crate) queue: VecDeque<Waiting>,
    /// By number.
    pub(crate) running: BTreeMap<u64, Arrived>,
}

impl Reader {
    /// Which events were applied, in order.
    pub fn applied(&self) -> impl Iterator<Item = &EventId> {
        self.seen.iter().filter_map(|seen| match seen {
            Seen::Applied { id, .. } => Some(id),
            _ => None,
        })
    }

    /// Events that are with the application, and not settled.
    pub fn pending(&self) -> impl Iterator<Item = &Event> {
        self.held().map(|arrived| &arrived.event)
    }

    /// Those of them that count against the window.
    pub(crate) fn of_this_feed(&self) -> impl Iterator<Item = &Arrived> {
        self.held().filter(|arrived| arrived.event.seq > self.feed_start && !arrived.is_requeued)
    }

    fn held(&self) -> impl Iterator<Item = &Arrived> {
        self.queue.iter().map(|waiting| &waiting.arrived).chain(self.running.values())
    }

    /// What comes of a handler that is done; the application has it applied if that went well.
    pub(crate) fn outcome(&mut self, event: &Event, handling: Handling) -> Outcome {
        if handling.throws {
            return Outcome::Failed { error: "thrown".into(), retry: handling.retry };
        }
        let epoch = self.epoch.clone().expect("an event has an epoch");
        self.seen.push(Seen::Applied { epoch, seq: event.seq, id: event.id.clone() });
        Outcome::Confirmed
    }
}
