//! A list of numbers that is read from its beginning. What is not there is 0: the facade's code is the only one to write
//! them, and a wrong one breaks nothing but its own client.

use std::slice;

use crate::base::Duration;
use crate::receive::{Checkpoint, StreamCheckpoint};
use crate::wire::{Epoch, Position, Seq, SeqRange, StreamName};

/// A list that is read from its beginning.
pub struct Numbers<'a>(slice::Iter<'a, f64>);

impl<'a> Numbers<'a> {
    pub fn new(list: &'a [f64]) -> Self {
        Self(list.iter())
    }

    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    #[inline(never)]
    pub fn next(&mut self) -> f64 {
        self.0.next().copied().unwrap_or_default()
    }

    #[inline(never)]
    pub fn int(&mut self) -> u32 {
        self.next() as u32
    }

    pub fn flag(&mut self) -> bool {
        self.int() != 0
    }

    #[inline(never)]
    pub fn seq(&mut self) -> Seq {
        Seq::from_f64(self.next()).unwrap_or_default()
    }

    /// Whether there is one, and which.
    pub fn optional_millis(&mut self) -> Option<u64> {
        self.flag().then(|| self.next() as u64)
    }

    #[inline(never)]
    pub fn millis(&mut self) -> Duration {
        Duration::from_millis(self.next() as u64)
    }

    pub fn stream(&mut self) -> StreamName {
        StreamName(self.int())
    }

    pub fn position(&mut self) -> Position {
        Position { epoch: Epoch(self.int()), seq: self.seq() }
    }

    /// Of each stream: its name, its position, how many ranges beyond, and these.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        while !self.is_empty() {
            let (stream, Position { epoch, seq: upto }) = (self.stream(), self.position());
            let ranges = 0..self.int();
            let also = ranges.filter_map(|_| SeqRange::new(self.seq(), self.seq())).collect();
            checkpoint.streams.push(StreamCheckpoint { stream, epoch, upto, also });
        }
        checkpoint
    }
}
