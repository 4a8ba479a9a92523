//! What a consumer knows of a stream, over all its tabs and page lives.

use ackwire::base::RangeSet;
use ackwire::wire::{Epoch, EventId, Seq, SeqRange};
use std::collections::{BTreeMap, BTreeSet, HashSet};

#[derive(Debug, Default)]
pub struct Account {
    /// By id: an event stays applied in whatever log it comes again.
    applied: HashSet<EventId>,
    /// Of these, or of others, somebody else has said that they are applied.
    vouched: HashSet<EventId>,
    logs: BTreeMap<Epoch, Of>,
}

/// Of one incarnation of the log.
#[derive(Debug, Default)]
struct Of {
    /// Told to be lost.
    lost: RangeSet,
    /// Passed over by wish: `from: "now"`.
    passed: RangeSet,
    /// Failed for good, as the server decided.
    dead: BTreeSet<Seq>,
    /// Named by acks.
    acked: RangeSet,
}

impl Account {
    pub fn apply(&mut self, id: EventId) {
        self.applied.insert(id);
    }

    pub fn vouch(&mut self, id: EventId) {
        self.vouched.insert(id);
    }

    pub fn lose(&mut self, epoch: &Epoch, range: SeqRange) {
        self.logs.entry(epoch.clone()).or_default().lost.insert(range);
    }

    pub fn pass(&mut self, epoch: &Epoch, upto: Seq) {
        let passed = &mut self.logs.entry(epoch.clone()).or_default().passed;
        SeqRange::new(Seq::ZERO, upto).into_iter().for_each(|range| passed.insert(range));
    }

    pub fn bury(&mut self, epoch: &Epoch, seq: Seq) {
        self.logs.entry(epoch.clone()).or_default().dead.insert(seq);
    }

    pub fn is_dead(&self, epoch: &Epoch, seq: Seq) -> bool {
        self.logs.get(epoch).is_some_and(|of| of.dead.contains(&seq))
    }

    /// By the page, or as somebody else has said.
    pub fn has_applied(&self, id: &EventId) -> bool {
        self.applied.contains(id) || self.has_vouched(id)
    }

    pub fn has_vouched(&self, id: &EventId) -> bool {
        self.vouched.contains(id)
    }

    /// Whether the consumer has applied an event, or said so by a position that `from: "now"` gave it: of two tabs with one
    /// identity one may have passed over what the other was sent.
    pub fn has_claimed(&self, epoch: &Epoch, seq: Seq, id: &EventId) -> bool {
        self.has_applied(id) || self.logs.get(epoch).is_some_and(|of| of.passed.contains(seq))
    }

    /// Whether the consumer knows what became of an event.
    pub fn has(&self, epoch: &Epoch, seq: Seq, id: &EventId) -> bool {
        let told = |of: &Of| of.lost.contains(seq) || of.passed.contains(seq);
        self.has_applied(id) || self.logs.get(epoch).is_some_and(told)
    }

    /// An ack names these: the parts that none has named before.
    pub fn note_acked(&mut self, epoch: &Epoch, range: SeqRange) -> Vec<SeqRange> {
        let acked = &mut self.logs.entry(epoch.clone()).or_default().acked;
        let news = acked.missing(range).collect();
        acked.insert(range);
        news
    }
}
