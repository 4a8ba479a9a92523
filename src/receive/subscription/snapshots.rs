//! What a subscription shows of itself: what is kept for the next page life, and what is told of it.

use super::Subscription;
use crate::receive::checkpoint::StreamCheckpoint;
use crate::receive::stats::{Footprint, Positions, SubscriptionStats};
#[cfg(target_arch = "wasm32")]
use crate::wire::{From, Position};
use crate::wire::{MAX_RANGES, SeqRange};

impl<P: Clone> Subscription<P> {
    pub fn checkpoint(&self) -> Option<StreamCheckpoint> {
        Some(StreamCheckpoint {
            stream: self.options.stream.clone(),
            epoch: self.epoch.clone()?,
            upto: self.open.settled(self.cursor),
            also: self.applied_beyond(),
        })
    }

    /// What is accounted for beyond the settled position, this feed's part and what was known before.
    pub(super) fn applied_beyond(&self) -> Vec<SeqRange> {
        let mut also = self.open.also(self.cursor, MAX_RANGES);
        for range in &self.ahead {
            if also.len() < MAX_RANGES {
                also.extend(SeqRange::new(range.after().max(self.cursor), range.upto()));
            }
        }
        also
    }

    pub fn positions(&self) -> Positions {
        Positions {
            epoch: self.epoch.clone(),
            received: self.heard,
            delivered: self.cursor,
            confirmed: self.open.settled(self.cursor),
        }
    }

    pub fn footprint(&self) -> Footprint {
        Footprint {
            ids: self.seen.len(),
            held_frames: self.held.frames(),
            failed_ahead: self.failed_ahead.len(),
            ahead: self.ahead.len(),
            requeued: self.requeued.len(),
        }
    }

    pub fn stats(&self) -> SubscriptionStats {
        SubscriptionStats {
            stream: self.options.stream.clone(),
            positions: self.positions(),
            unsettled: (self.open.len() + self.requeued.open()) as u32,
            held: self.held.len() as u32,
            counters: self.counters,
        }
    }
}

#[cfg(target_arch = "wasm32")]
impl Subscription<u32> {
    /// The facade's numbers that are still in use.
    pub fn handles(&self, handles: &mut Vec<u32>) {
        handles.push(self.options.stream.0);
        handles.extend(self.epoch.as_ref().map(|epoch| epoch.0));
        if let From::Position(Position { epoch, .. }) = &self.options.from {
            handles.push(epoch.0);
        }
        handles.extend(self.held.payloads());
    }

    /// The fields of [`SubscriptionStats`] in their order.
    pub fn numbers(&self, numbers: &mut Vec<f64>) {
        let epoch = self.epoch.as_ref().map_or(0, |epoch| epoch.0);
        let unsettled = self.open.len() + self.requeued.open();
        let confirmed = self.open.settled(self.cursor);
        let counters = &self.counters;
        let counts = [
            u64::from(self.options.stream.0),
            epoch.into(),
            self.heard.get(),
            self.cursor.get(),
            confirmed.get(),
            unsettled as u64,
            self.held.len() as u64,
            counters.delivered,
            counters.confirmed,
            counters.failed,
            counters.duplicates,
            counters.suppressed,
            counters.gaps,
            counters.repaired,
            counters.resends,
            counters.lost,
            counters.resets,
        ];
        numbers.extend(counts.map(|count| count as f64));
    }
}
