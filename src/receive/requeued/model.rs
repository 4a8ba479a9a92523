//! Against a plain list of what each dead letter is doing.

use proptest::prelude::*;

use super::{Arrival, Life, MAX_REMEMBERED, RequeuedEvents};
use crate::receive::confirmations::Handling;
use crate::receive::{Head, Outcome};
use crate::wire::{Seq, SeqRange};

/// All that happens lies in 1..=LAST.
const LAST: u64 = 12;

#[derive(Clone, Debug)]
enum Op {
    Arrive { seq: u64, attempt: u32, applied: bool },
    Settle { seq: u64, delivered: u32, outcome: Outcome },
    GiveUp(SeqRange),
    TakeOpen(u64),
    NextFeed,
    Clear,
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn range() -> impl Strategy<Value = SeqRange> {
    (0..LAST, 1..5u64).prop_map(|(after, length)| SeqRange::new(seq(after), seq(after + length)).unwrap())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let failed = ("[a-z]{0,4}", any::<bool>()).prop_map(|(error, retry)| Outcome::Failed { error, retry });
    prop_oneof![Just(Outcome::Confirmed), failed]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (1..=LAST, 1..4u32, prop::bool::weighted(0.2))
            .prop_map(|(seq, attempt, applied)| Op::Arrive { seq, attempt, applied }),
        12 => (1..=LAST, 1..4u32, outcome())
            .prop_map(|(seq, delivered, outcome)| Op::Settle { seq, delivered, outcome }),
        2 => range().prop_map(Op::GiveUp),
        1 => (1..=LAST).prop_map(Op::TakeOpen),
        1 => Just(Op::NextFeed),
        1 => Just(Op::Clear),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Runs,
    Failed(String, bool),
    Applied,
    GivenUp,
}

impl Doing {
    fn is_open(&self) -> bool {
        matches!(self, Doing::Runs | Doing::Failed(..))
    }
}

/// A dead letter in its second life: the highest attempt that came, the one that was delivered, what it does.
#[derive(Clone, Debug)]
struct Plain {
    seq: u64,
    attempt: u32,
    delivered: u32,
    doing: Doing,
}

fn arrive(model: &mut Vec<Plain>, seq: u64, attempt: u32, applied: bool) -> Arrival {
    model.retain(|known| known.seq != seq || known.doing != Doing::GivenUp || known.attempt >= attempt);
    let Some(known) = model.iter_mut().find(|known| known.seq == seq) else {
        let doing = if applied { Doing::Applied } else { Doing::Runs };
        model.push(Plain { seq, attempt, delivered: attempt, doing });
        model.sort_by_key(|known| known.seq);
        return if applied { Arrival::ConfirmAgain } else { Arrival::Deliver };
    };
    let is_newer = attempt > known.attempt;
    known.attempt = known.attempt.max(attempt);
    match known.doing {
        Doing::Runs | Doing::GivenUp => Arrival::Nothing,
        Doing::Applied => Arrival::ConfirmAgain,
        Doing::Failed(..) if !is_newer => Arrival::NackAgain,
        Doing::Failed(..) => {
            (known.delivered, known.doing) = (attempt, Doing::Runs);
            Arrival::Deliver
        }
    }
}

fn settle(model: &mut [Plain], seq: u64, delivered: u32, outcome: Outcome) -> Option<bool> {
    let running = |known: &&mut Plain| known.seq == seq && known.delivered == delivered && known.doing == Doing::Runs;
    let known = model.iter_mut().find(running)?;
    known.doing = match outcome {
        Outcome::Confirmed => Doing::Applied,
        Outcome::Failed { error, retry } => Doing::Failed(error, retry),
    };
    Some(known.doing == Doing::Applied)
}

fn doing(handling: &Handling) -> Doing {
    match handling {
        Handling::Running => Doing::Runs,
        Handling::Failed { error, retry } => Doing::Failed(error.clone(), *retry),
    }
}

fn check(requeued: &RequeuedEvents, model: &[Plain], within: SeqRange) {
    for n in 0..=LAST + 1 {
        let known = requeued.get(seq(n)).map(|known| {
            let doing = match &known.life {
                Life::Applied => Doing::Applied,
                Life::GivenUp => Doing::GivenUp,
                Life::Open(handling) => doing(handling),
            };
            assert_eq!(requeued.holds(seq(n)), doing != Doing::GivenUp);
            (known.attempt, doing)
        });
        let expected = model.iter().find(|known| known.seq == n).map(|known| (known.attempt, known.doing.clone()));
        assert_eq!(known, expected, "{n}");
    }
    let failed = model.iter().filter(|known| matches!(known.doing, Doing::Failed(..))).map(|known| seq(known.seq));
    assert_eq!(requeued.failed(), failed.collect::<Vec<_>>());
    assert_eq!(requeued.open(), model.iter().filter(|known| known.doing.is_open()).count());
    let running = model.iter().filter(|known| known.doing == Doing::Runs && within.contains(seq(known.seq)));
    assert_eq!(requeued.running(within), running.map(|known| (seq(known.seq), known.delivered)).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn aw_send_9_requeued_events_are_a_list(ops in prop::collection::vec((op(), range()), 1..60)) {
        let (mut requeued, mut model) = (RequeuedEvents::default(), Vec::new());
        for (op, within) in ops {
            match op {
                Op::Arrive { seq: n, attempt, applied } => {
                    let head = Head { seq: seq(n), id_hash: n, attempt, critical: false };
                    let arrival = requeued.arrive(&head, || applied);
                    assert_eq!(arrival, arrive(&mut model, n, attempt, applied));
                }
                Op::Settle { seq: n, delivered, outcome } => {
                    let went_well = requeued.settle(seq(n), delivered, &outcome);
                    assert_eq!(went_well, settle(&mut model, n, delivered, outcome));
                }
                Op::GiveUp(range) => {
                    let mut expected = Vec::new();
                    for known in model.iter_mut().filter(|known| range.contains(seq(known.seq)) && known.doing.is_open()) {
                        known.doing = Doing::GivenUp;
                        expected.push((seq(known.seq), known.seq));
                    }
                    assert_eq!(requeued.give_up(range), expected);
                }
                Op::TakeOpen(n) => {
                    let index = model.iter().position(|known| known.seq == n && known.doing.is_open());
                    let expected = index.map(|index| model.remove(index)).map(|known| (known.delivered, known.doing));
                    let taken = requeued.take_open(seq(n)).map(|(delivered, handling)| (delivered, doing(&handling)));
                    assert_eq!(taken, expected);
                }
                Op::NextFeed => {
                    model.retain(|known| known.doing != Doing::GivenUp);
                    requeued.forget_given_up();
                }
                Op::Clear => {
                    let unsettled: Vec<u64> = requeued.drain().collect();
                    let open = model.drain(..).filter(|known| known.doing.is_open());
                    assert_eq!(unsettled, open.map(|known| known.seq).collect::<Vec<_>>());
                }
            }
            check(&requeued, &model, within);
        }
    }
}

#[test]
fn what_is_applied_makes_room_and_what_runs_does_not() {
    let mut requeued = RequeuedEvents::default();
    let arrive = |n: u64, requeued: &mut RequeuedEvents| {
        requeued.arrive(&Head { seq: seq(n), id_hash: n, attempt: 4, critical: false }, || false)
    };
    let most = MAX_REMEMBERED as u64;
    for n in 1..=most {
        assert_eq!(arrive(n, &mut requeued), Arrival::Deliver);
    }
    assert_eq!(arrive(most + 1, &mut requeued), Arrival::Nothing, "the server sends it again");
    assert!(requeued.get(seq(most + 1)).is_none());
    assert_eq!(requeued.settle(seq(3), 4, &Outcome::Confirmed), Some(true));
    assert_eq!(arrive(most + 1, &mut requeued), Arrival::Deliver);
    assert!(requeued.get(seq(3)).is_none(), "what was applied is forgotten for it");
    assert_eq!(requeued.open(), MAX_REMEMBERED);
}
