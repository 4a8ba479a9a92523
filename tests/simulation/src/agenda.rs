//! What will happen, by time.

use ackwire::base::Instant;
use std::collections::BTreeMap;

/// A queue of things that will happen. What is put in for the same moment comes out in the order in which it was put in.
#[derive(Debug)]
pub struct Agenda<T> {
    things: BTreeMap<(Instant, u64), T>,
    order: u64,
}

impl<T> Agenda<T> {
    pub const fn new() -> Self {
        Self { things: BTreeMap::new(), order: 0 }
    }

    pub fn push(&mut self, at: Instant, thing: T) {
        self.order += 1;
        self.things.insert((at, self.order), thing);
    }

    /// The next, with its place.
    pub fn pop_until(&mut self, end: Instant) -> Option<((Instant, u64), T)> {
        let next = self.things.first_key_value().map(|((at, _), _)| *at)?;
        if next <= end { self.things.pop_first() } else { None }
    }

    /// Something that cannot happen yet comes later, and keeps its order among what else comes then.
    pub fn put_off(&mut self, until: Instant, (_, order): (Instant, u64), thing: T) {
        self.things.insert((until, order), thing);
    }
}
