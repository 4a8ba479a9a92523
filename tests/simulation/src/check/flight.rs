//! What is under way to a client, by what went over its connection alone [AW-SEND-3]. The sending end's own account is
//! not asked: this one holds against it, too.

use ackwire::base::RangeSet;
use ackwire::wire::{Seq, SeqRange, Window};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What went over a connection, of one subscription.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// It begins, and grants this.
    Subscribed(Window),
    /// An event goes out, of so many bytes.
    Sent(Seq, usize),
    /// The client hears that these will not come.
    Lost(SeqRange),
    /// The client has said that these are applied.
    Acked(SeqRange),
}

/// Of one subscription: what was sent on it, and is not settled as far as the two ends have told each other.
#[derive(Debug)]
pub struct Flight {
    window: Window,
    bytes: usize,
    open: BTreeMap<Seq, usize>,
    settled: RangeSet,
}

impl Flight {
    pub fn new(window: Window) -> Self {
        Self { window, bytes: 0, open: BTreeMap::new(), settled: RangeSet::new() }
    }

    /// What was settled may come again, asked for before that: it takes no room.
    pub fn send(&mut self, seq: Seq, bytes: usize) {
        if !self.settled.contains(seq) {
            self.bytes = self.bytes + bytes - self.open.insert(seq, bytes).unwrap_or(0);
        }
    }

    pub fn settle(&mut self, range: SeqRange) {
        self.settled.insert(range);
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        self.bytes -= self.open.extract_if(within, |_, _| true).map(|(_, bytes)| bytes).sum::<usize>();
    }

    /// Whether the window holds it; one event is always allowed.
    pub fn is_granted(&self) -> bool {
        let Window { events, bytes } = self.window;
        self.open.len() <= events as usize && (self.bytes <= bytes as usize || self.open.len() == 1)
    }
}
