//! How far a consumer says it has come.

use serde::{Deserialize, Serialize};

use crate::wire::Seq;

/// The positions that a consumer told of last [AW-ACK-8], of its connection or, once that is gone, of the last one. They
/// are its word and for showing only: nothing is confirmed by them, nothing is sent or kept for them.
///
/// Invariant: `delivered ≤ received`; on one connection neither goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The highest `upto` that it heard of.
    pub received: Seq,
    /// Up to here everything was handed to its application, or is accounted for otherwise.
    pub delivered: Seq,
}

impl Reported {
    /// The same with what is settled by other means than its word, over HTTP say: nobody waits for it to say so.
    pub fn at_least(mut self, settled: Seq) -> Self {
        self.raise(settled, settled);
        self
    }

    /// What is taken for granted of a feed that begins after this.
    pub(super) fn at(seq: Seq) -> Self {
        Self { received: seq, delivered: seq }
    }

    /// The consumer tells. A client that says less than before has left out what it need not say.
    pub(super) fn raise(&mut self, delivered: Seq, received: Seq) {
        self.delivered = self.delivered.max(delivered);
        self.received = self.received.max(received).max(self.delivered);
    }
}
