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

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(super) mod model;
