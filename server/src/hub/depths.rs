//! How much is under way.

use serde::Serialize;
use std::sync::Arc;

use super::{Hub, Slot, lock};

/// How much is under way at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depths {
    /// Open connections.
    pub connections: usize,
    /// Pairs of stream and consumer in memory.
    pub feeds: usize,
    /// Those of them with a connection.
    pub attached: usize,
    /// Events sent and unsettled, of the pairs in memory.
    pub unsettled: usize,
    /// Pairs that wait to be saved.
    pub unsaved: usize,
}

impl Hub {
    /// Looks at every pair in memory.
    pub fn depths(&self) -> Depths {
        let slots: Vec<Arc<Slot>> = lock(&self.slots).values().cloned().collect();
        let unsaved = lock(&self.dirty).len();
        let start = Depths { connections: self.connections(), feeds: slots.len(), unsaved, ..Depths::default() };
        slots.iter().fold(start, |depths, slot| {
            let seen = slot.look(|tracker, is_attached| (tracker.unsettled(), usize::from(is_attached)));
            let (unsettled, attached) = seen.unwrap_or_default();
            Depths { unsettled: depths.unsettled + unsettled, attached: depths.attached + attached, ..depths }
        })
    }
}
