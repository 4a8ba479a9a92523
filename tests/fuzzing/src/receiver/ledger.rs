//! What one subscription's application did, kept apart from the code that is tested.

use ackwire::receive::{Head, Positions};
use ackwire::wire::{Epoch, Position, Seq, SeqRange, StreamName};
use std::collections::{BTreeMap, HashSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Running,
    Applied,
    Failed,
    /// Declared lost before it was applied.
    GivenUp,
}

/// One event in one of its lives.
#[derive(Clone, Copy, Debug)]
struct Known {
    attempt: u32,
    id_hash: u64,
    handling: Handling,
}

/// One subscription.
#[derive(Debug)]
pub struct Ledger {
    pub stream: StreamName,
    epoch: Option<Epoch>,
    /// The highest seq that was delivered for the first time.
    began: Seq,
    events: BTreeMap<Seq, Known>,
    /// Dead letters in their second life.
    requeued: BTreeMap<Seq, Known>,
    /// Ids that were applied, in any log.
    applied: HashSet<u64>,
    positions: Option<Positions>,
}

impl Ledger {
    pub fn new(stream: StreamName) -> Self {
        Self {
            stream,
            epoch: None,
            began: Seq::ZERO,
            events: BTreeMap::new(),
            requeued: BTreeMap::new(),
            applied: HashSet::new(),
            positions: None,
        }
    }

    /// Checks order and repeats [AW-RECV-1, AW-RECV-2, AW-RECV-5].
    pub fn deliver(&mut self, head: &Head, requeued: bool) {
        let Head { seq, id_hash, attempt, .. } = *head;
        let known = Known { attempt, id_hash, handling: Handling::Running };
        if requeued {
            // The first life is over, whether that was heard or not.
            self.events.get_mut(&seq).into_iter().for_each(|first| first.handling = Handling::GivenUp);
            if let Some(before) = self.requeued.insert(seq, known) {
                let again = before.handling == Handling::GivenUp
                    || before.handling == Handling::Failed && attempt > before.attempt;
                assert!(again, "{seq} came again in its second life while {before:?}");
            }
            return;
        }
        match self.events.insert(seq, known) {
            Some(before) => {
                assert!(before.handling == Handling::Failed, "{seq} came again while {before:?}");
                assert!(attempt > before.attempt, "{seq} came again with attempt {attempt} after {}", before.attempt);
            }
            None => {
                assert!(seq > self.began, "{seq} came after {}", self.began);
                assert!(!self.applied.contains(&id_hash), "{seq}: its id was applied before");
                self.began = seq;
            }
        }
    }

    pub fn subscribed(&mut self, epoch: Epoch) {
        assert!(self.epoch.as_ref().is_none_or(|known| *known == epoch), "another log without a reset");
        self.epoch = Some(epoch);
    }

    /// The old position is void; the memory of what was applied stays [AW-SUB-5].
    pub fn reset(&mut self, position: Position) {
        self.epoch = Some(position.epoch);
        self.began = position.seq;
        self.events.clear();
        self.requeued.clear();
        self.positions = None;
    }

    /// What is lost and not applied is given up [AW-RECV-6].
    pub fn lose(&mut self, range: SeqRange) {
        let both = self.events.iter_mut().chain(&mut self.requeued);
        for (_, known) in both.filter(|(seq, known)| range.contains(**seq) && known.handling != Handling::Applied) {
            known.handling = Handling::GivenUp;
        }
    }

    pub fn nth_running(&self, at: usize) -> Option<(Seq, u32)> {
        let running: Vec<_> = self.requeued.iter().chain(&self.events).filter(|(_, known)| known.runs()).collect();
        running.get(at % running.len().max(1)).map(|(seq, known)| (**seq, known.attempt))
    }

    pub fn runs(&self, seq: Seq, attempt: u32) -> bool {
        let same = |known: &Known| known.runs() && known.attempt == attempt;
        self.requeued.get(&seq).is_some_and(same) || self.events.get(&seq).is_some_and(same)
    }

    pub fn settle(&mut self, seq: Seq, ok: bool) {
        let second_life = self.requeued.get_mut(&seq).filter(|known| known.runs());
        let known = second_life.or(self.events.get_mut(&seq)).expect("it runs");
        known.handling = if ok { Handling::Applied } else { Handling::Failed };
        self.applied.extend(ok.then_some(known.id_hash));
    }

    pub fn settle_run(&mut self, range: SeqRange) {
        let both = self.events.iter_mut().chain(&mut self.requeued);
        for (_, known) in both.filter(|(seq, known)| range.contains(**seq) && known.runs()) {
            known.handling = Handling::Applied;
            self.applied.insert(known.id_hash);
        }
    }

    /// Nothing that runs, or that failed, is told to be applied [AW-ACK-2].
    pub fn check_claim(&self, epoch: &Epoch, upto: Seq, also: &[SeqRange]) {
        if self.epoch.as_ref() != Some(epoch) {
            return;
        }
        for (seq, known) in &self.events {
            if matches!(known.handling, Handling::Running | Handling::Failed) {
                let claimed = *seq <= upto || also.iter().any(|range| range.contains(*seq));
                assert!(!claimed, "{seq} is {known:?}, and (0, {upto}] and {also:?} are told to be applied");
            }
        }
    }

    /// The same for a second life [AW-SEND-9].
    pub fn check_confirm(&self, seq: Seq) {
        let known = self.requeued.get(&seq).map(|known| known.handling);
        assert_eq!(known, Some(Handling::Applied), "{seq} is confirmed");
    }

    /// [AW-RECV-9]: in order, and never backwards within an epoch.
    pub fn look_at(&mut self, now: Positions) {
        assert!(now.received >= now.delivered && now.delivered >= now.confirmed, "{now:?}");
        if let Some(before) = self.positions.take().filter(|before| before.epoch == now.epoch) {
            assert!(now.delivered >= before.delivered && now.confirmed >= before.confirmed, "{before:?}, then {now:?}");
        }
        self.positions = Some(now);
    }
}

impl Known {
    fn runs(&self) -> bool {
        self.handling == Handling::Running
    }
}
