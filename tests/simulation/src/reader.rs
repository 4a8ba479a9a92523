//! One subscription of a page: what waits for its handler, what runs, and what the application saw.

use ackwire::receive::{Outcome, SubscriptionId};
use ackwire::wire::{Epoch, Event, EventId, From, StreamName};
use std::collections::{BTreeMap, VecDeque};

use crate::seen::{Handling, Seen};

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
    /// What waits for its handler, with the number of the delivery that it came in.
    pub(crate) queue: VecDeque<(u64, Event)>,
    /// By number.
    pub(crate) running: BTreeMap<u64, Event>,
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
        self.queue.iter().map(|(_, event)| event).chain(self.running.values())
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
