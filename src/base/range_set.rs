//! Sets of sequence numbers that cost what their holes cost.

use crate::wire::{Seq, SeqRange};

/// A set of sequence numbers as sorted, disjoint, non-adjacent half-open ranges.
///
/// Invariant: for neighbours a, b in `ranges`: `a.upto < b.after`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<SeqRange>,
}

impl RangeSet {
    /// Nothing.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds a range; O(log n) to find its place, O(n) in the ranges behind it.
    pub fn insert(&mut self, range: SeqRange) {
        // Ranges in from..to touch or overlap the new one.
        let from = self.ranges.partition_point(|held| held.upto() < range.after());
        let to = self.ranges.partition_point(|held| held.after() <= range.upto());
        if from == to {
            self.ranges.insert(from, range);
            return;
        }
        let after = self.ranges[from].after().min(range.after());
        let upto = self.ranges[to - 1].upto().max(range.upto());
        self.ranges[from] = SeqRange::new(after, upto).expect("a union of ranges is no smaller than its parts");
        self.ranges.drain(from + 1..to);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: SeqRange) {
        let from = self.ranges.partition_point(|held| held.upto() <= range.after());
        let to = self.ranges.partition_point(|held| held.after() < range.upto());
        if from >= to {
            return;
        }
        let left = SeqRange::new(self.ranges[from].after(), range.after());
        let right = SeqRange::new(range.upto(), self.ranges[to - 1].upto());
        self.ranges.drain(from..to);
        for part in [right, left].into_iter().flatten() {
            self.ranges.insert(from, part);
        }
    }

    /// Whether the seq is in the set.
    pub fn contains(&self, seq: Seq) -> bool {
        let index = self.ranges.partition_point(|held| held.upto() < seq);
        self.ranges.get(index).is_some_and(|held| held.contains(seq))
    }

    /// The end of what follows `after` without a hole; `after` itself if a hole follows.
    pub fn contiguous_from(&self, after: Seq) -> Seq {
        let index = self.ranges.partition_point(|held| held.upto() <= after);
        match self.ranges.get(index) {
            Some(held) if held.after() <= after => held.upto(),
            _ => after,
        }
    }

    /// The holes inside `within`, ascending.
    pub fn missing(&self, within: SeqRange) -> impl Iterator<Item = SeqRange> + '_ {
        let first = self.ranges.partition_point(|held| held.upto() <= within.after());
        let mut at = within.after();
        let mut held = self.ranges[first..].iter();
        let mut done = false;
        std::iter::from_fn(move || {
            while !done {
                let (hole, next) = match held.next() {
                    Some(range) if range.after() < within.upto() => (SeqRange::new(at, range.after()), range.upto()),
                    _ => {
                        done = true;
                        (SeqRange::new(at, within.upto()), within.upto())
                    }
                };
                at = at.max(next);
                if hole.is_some() {
                    return hole;
                }
            }
            None
        })
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = SeqRange> + ExactSizeIterator + '_ {
        self.ranges.iter().copied()
    }

    /// How many ranges, not how many numbers.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.upto().get() - range.after().get()).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The largest seq in it.
    pub fn last(&self) -> Option<Seq> {
        self.ranges.last().map(|range| range.upto())
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

impl FromIterator<SeqRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = SeqRange>>(ranges: I) -> Self {
        let mut set = Self::new();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use std::collections::BTreeSet;

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    /// Compared with a plain set of numbers.
    #[test]
    fn agrees_with_a_set_of_numbers() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let (mut set, mut model) = (RangeSet::new(), BTreeSet::new());
            for _ in 0..40 {
                let after = rng.up_to(30);
                let upto = after + 1 + rng.up_to(6);
                let range = SeqRange::new(seq(after), seq(upto)).unwrap();
                if rng.up_to(2) > 0 {
                    set.insert(range);
                    model.extend(after + 1..=upto);
                } else {
                    set.remove(range);
                    model.retain(|n| !(after + 1..=upto).contains(n));
                }
                for n in 0..45 {
                    assert_eq!(set.contains(seq(n)), model.contains(&n), "seed {seed}, {n} in {set:?}");
                    let end = (n + 1..).take_while(|next| model.contains(next)).last().unwrap_or(n);
                    assert_eq!(set.contiguous_from(seq(n)), seq(end), "seed {seed}, from {n} in {set:?}");
                }
                assert!(set.ranges.windows(2).all(|pair| pair[0].upto() < pair[1].after()), "seed {seed}: {set:?}");
                let within = SeqRange::new(seq(rng.up_to(20)), seq(21 + rng.up_to(20))).unwrap();
                let holes: BTreeSet<u64> =
                    set.missing(within).flat_map(|hole| hole.after().get() + 1..=hole.upto().get()).collect();
                let expected: BTreeSet<u64> =
                    (within.after().get() + 1..=within.upto().get()).filter(|n| !model.contains(n)).collect();
                assert_eq!(holes, expected, "seed {seed}, {within} of {set:?}");
            }
        }
    }
}
