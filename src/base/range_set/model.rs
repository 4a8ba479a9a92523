//! Against a plain set of numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::RangeSet;
use crate::wire::{Seq, SeqRange};

/// All that happens lies in 0..=LAST.
const LAST: u64 = 40;

#[derive(Clone, Debug)]
enum Op {
    Insert(SeqRange),
    Remove(SeqRange),
    Clear,
    Collect(Vec<SeqRange>),
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn range() -> impl Strategy<Value = SeqRange> {
    // Short ones are likelier: they leave more holes.
    (0..LAST, prop_oneof![3 => 1..4u64, 1 => 1..LAST])
        .prop_map(|(after, length)| SeqRange::new(seq(after), seq((after + length).min(LAST))).unwrap())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        60 => range().prop_map(Op::Insert),
        30 => range().prop_map(Op::Remove),
        1 => Just(Op::Clear),
        3 => prop::collection::vec(range(), 0..8).prop_map(Op::Collect),
    ]
}

fn numbers(range: SeqRange) -> impl Iterator<Item = u64> {
    range.after().get() + 1..=range.upto().get()
}

/// The numbers as (after, upto), neighbours together.
pub(crate) fn runs(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, upto)) if *upto + 1 == n => *upto = n,
            _ => runs.push((n - 1, n)),
        }
    }
    runs
}

fn pairs(ranges: impl Iterator<Item = SeqRange>) -> Vec<(u64, u64)> {
    ranges.map(|range| (range.after().get(), range.upto().get())).collect()
}

fn check(set: &RangeSet, model: &BTreeSet<u64>, within: SeqRange) {
    let expected = runs(model.iter().copied());
    assert_eq!(pairs(set.iter()), expected);
    assert_eq!(set.len(), expected.len());
    assert_eq!(set.is_empty(), model.is_empty());
    assert_eq!(set.last().map(Seq::get), model.last().copied());
    for n in 0..=LAST + 1 {
        assert_eq!(set.contains(seq(n)), model.contains(&n), "{n}");
        let end = (n + 1..).take_while(|next| model.contains(next)).last().unwrap_or(n);
        assert_eq!(set.contiguous_from(seq(n)).get(), end, "from {n}");
    }
    assert_eq!(pairs(set.missing(within)), runs(numbers(within).filter(|n| !model.contains(n))), "missing in {within}");
}

proptest! {
    #[test]
    fn a_range_set_is_a_set_of_numbers(ops in prop::collection::vec((op(), range()), 1..40)) {
        let (mut set, mut model) = (RangeSet::new(), BTreeSet::new());
        for (op, within) in ops {
            match op {
                Op::Insert(range) => {
                    set.insert(range);
                    model.extend(numbers(range));
                }
                Op::Remove(range) => {
                    set.remove(range);
                    model.retain(|n| !numbers(range).any(|gone| gone == *n));
                }
                Op::Clear => {
                    set.clear();
                    model.clear();
                }
                Op::Collect(ranges) => {
                    set = ranges.iter().copied().collect();
                    model = ranges.into_iter().flat_map(numbers).collect();
                }
            }
            check(&set, &model, within);
        }
    }
}
