//! Against a plain map of what each event is doing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Confirmations, Handling, Repeat, Settled};
use crate::base::runs;
use crate::receive::{Head, Outcome};
use crate::wire::{MAX_ERROR_BYTES, MAX_RANGES, Seq, SeqRange};

#[derive(Clone, Debug)]
enum Op {
    /// The next event that is delivered, so far behind the cursor.
    Start {
        skipped: u64,
        attempt: u32,
        critical: bool,
    },
    /// The cursor moves on although nothing is delivered.
    Pass(u64),
    Repeat {
        seq: u64,
        attempt: u32,
    },
    Settle {
        seq: u64,
        delivered: u32,
        outcome: Outcome,
    },
    SettleRun(SeqRange),
    GiveUp(SeqRange),
    Clear,
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

/// Where something is, as far as a run comes.
fn place() -> impl Strategy<Value = u64> {
    1..50u64
}

fn attempt() -> impl Strategy<Value = u32> {
    1..4u32
}

fn range() -> impl Strategy<Value = SeqRange> {
    (0..50u64, 1..8u64).prop_map(|(after, length)| SeqRange::new(seq(after), seq(after + length)).unwrap())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let long = "ä".repeat(MAX_ERROR_BYTES);
    let error = prop_oneof!["[a-z]{0,4}", Just(long)];
    prop_oneof![
        Just(Outcome::Confirmed),
        (error, any::<bool>()).prop_map(|(error, retry)| Outcome::Failed { error, retry }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (0..3u64, attempt(), prop::bool::weighted(0.2))
            .prop_map(|(skipped, attempt, critical)| Op::Start { skipped, attempt, critical }),
        3 => (1..4u64).prop_map(Op::Pass),
        15 => (place(), attempt()).prop_map(|(seq, attempt)| Op::Repeat { seq, attempt }),
        30 => (place(), attempt(), outcome()).prop_map(|(seq, delivered, outcome)| Op::Settle { seq, delivered, outcome }),
        6 => range().prop_map(Op::SettleRun),
        4 => range().prop_map(Op::GiveUp),
        1 => Just(Op::Clear),
    ]
}

/// One event that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    attempt: u32,
    delivered: u32,
    critical: bool,
    /// What its handler said, if it failed.
    failure: Option<(String, bool)>,
}

#[derive(Default)]
struct Model {
    cursor: u64,
    open: BTreeMap<u64, Plain>,
}

impl Model {
    fn settled(&self) -> u64 {
        (1..=self.cursor).find(|n| self.open.contains_key(n)).map_or(self.cursor, |first| first - 1)
    }

    /// The runs of what is not open beyond `settled`.
    fn also(&self) -> Vec<(u64, u64)> {
        runs((self.settled() + 1..=self.cursor).filter(|n| !self.open.contains_key(n)))
    }

    fn repeat(&mut self, seq: u64, attempt: u32) -> Repeat {
        let Some(open) = self.open.get_mut(&seq) else { return Repeat::AckAgain };
        let is_newer = attempt > open.attempt;
        open.attempt = open.attempt.max(attempt);
        match (&open.failure, is_newer) {
            (None, _) => Repeat::Nothing,
            (Some(_), false) => Repeat::NackAgain,
            (Some(_), true) => {
                open.failure = None;
                open.delivered = attempt;
                Repeat::Deliver
            }
        }
    }

    fn settle(&mut self, seq: u64, delivered: u32, outcome: Outcome) -> Option<Settled> {
        let open = self.open.get_mut(&seq).filter(|open| open.failure.is_none() && open.delivered == delivered)?;
        match outcome {
            Outcome::Confirmed => self.open.remove(&seq).map(|open| Settled::Confirmed { critical: open.critical }),
            Outcome::Failed { error, retry } => {
                // Of two-byte characters, as many as fit.
                let error = if error.len() > MAX_ERROR_BYTES { "ä".repeat(MAX_ERROR_BYTES / 2) } else { error };
                open.failure = Some((error, retry));
                Some(Settled::Failed)
            }
        }
    }

    fn take(&mut self, range: SeqRange, wanted: impl Fn(&Plain) -> bool) -> Vec<(u64, Plain)> {
        let within = self.open.iter().filter(|(n, open)| range.contains(seq(**n)) && wanted(open));
        let taken: Vec<(u64, Plain)> = within.map(|(n, open)| (*n, open.clone())).collect();
        taken.iter().for_each(|(n, _)| drop(self.open.remove(n)));
        taken
    }
}

fn head(n: u64, attempt: u32, critical: bool) -> Head {
    Head { seq: seq(n), id_hash: n * 7, attempt, critical }
}

fn check(confirmations: &Confirmations, model: &Model) {
    let cursor = seq(model.cursor);
    assert_eq!(confirmations.len(), model.open.len());
    assert_eq!(confirmations.settled(cursor).get(), model.settled());
    for max in [MAX_RANGES, 2] {
        let also = confirmations.also(cursor, max);
        let also: Vec<(u64, u64)> = also.iter().map(|range| (range.after().get(), range.upto().get())).collect();
        assert_eq!(also, model.also().into_iter().take(max).collect::<Vec<_>>());
    }
    for n in 0..=model.cursor + 1 {
        let open = confirmations.get(seq(n)).map(|open| {
            assert_eq!((open.seq.get(), open.id_hash), (n, n * 7));
            let failure = match &open.handling {
                Handling::Running => None,
                Handling::Failed { error, retry } => Some((error.clone(), *retry)),
            };
            Plain { attempt: open.attempt, delivered: open.delivered, critical: open.critical, failure }
        });
        assert_eq!(open.as_ref(), model.open.get(&n), "{n}");
        let running = model.open.iter().filter(|(at, open)| **at > n && open.failure.is_none()).count();
        assert_eq!(confirmations.running_beyond(seq(n)), running, "beyond {n}");
    }
    let failed: Vec<u64> = confirmations.failed().map(|open| open.seq.get()).collect();
    let expected = model.open.iter().filter(|(_, open)| open.failure.is_some());
    assert_eq!(failed, expected.map(|(n, _)| *n).collect::<Vec<_>>());
}

#[test]
fn what_waits_to_be_dropped_takes_no_more_room_than_what_is_open() {
    let mut confirmations = Confirmations::default();
    (1..=100).for_each(|n| confirmations.start(&head(n, 1, false)));
    for n in 1..=100 {
        confirmations.settle(seq(n), 1, Outcome::Confirmed);
        assert!(confirmations.list.len() <= 2 * confirmations.len(), "after {n}");
    }
}

proptest! {
    #[test]
    fn confirmations_are_a_map_of_what_is_open(ops in prop::collection::vec(op(), 1..60)) {
        let (mut confirmations, mut model) = (Confirmations::default(), Model::default());
        for op in ops {
            match op {
                Op::Start { skipped, attempt, critical } => {
                    model.cursor += skipped + 1;
                    model.open.insert(model.cursor, Plain { attempt, delivered: attempt, critical, failure: None });
                    confirmations.start(&head(model.cursor, attempt, critical));
                }
                Op::Pass(count) => model.cursor += count,
                Op::Repeat { seq, attempt } => {
                    let again = confirmations.repeat(&head(seq, attempt, false));
                    assert_eq!(again, model.repeat(seq, attempt));
                }
                Op::Settle { seq: n, delivered, outcome } => {
                    let settled = confirmations.settle(seq(n), delivered, outcome.clone());
                    assert_eq!(settled, model.settle(n, delivered, outcome));
                }
                Op::SettleRun(range) => {
                    let taken = model.take(range, |open| open.failure.is_none());
                    let critical = taken.iter().any(|(_, open)| open.critical);
                    assert_eq!(confirmations.settle_run(range), (taken.len() as u32, critical));
                }
                Op::GiveUp(range) => {
                    let told: Vec<u64> = confirmations.give_up(range).into_iter().map(|open| open.seq.get()).collect();
                    let taken: Vec<u64> = model.take(range, |_| true).into_iter().map(|(n, _)| n).collect();
                    assert_eq!(told, taken);
                }
                Op::Clear => {
                    let cleared: Vec<u64> = confirmations.clear().into_iter().map(|open| open.seq.get()).collect();
                    assert_eq!(cleared, std::mem::take(&mut model.open).into_keys().collect::<Vec<_>>());
                }
            }
            check(&confirmations, &model);
        }
    }
}
