//! When something is to happen to which events.

use std::collections::BTreeMap;

use crate::base::{Instant, RangeSet};
use crate::wire::{Seq, SeqRange};

/// Due times of events. Neighbours that are due together cost one range: what goes out at a time, most of the time.
///
/// Invariant: no set is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    by_time: BTreeMap<Instant, RangeSet>,
}

impl Due {
    /// Nothing is due.
    pub const fn new() -> Self {
        Self { by_time: BTreeMap::new() }
    }

    /// An event is due then.
    pub fn insert(&mut self, at: Instant, seq: Seq) {
        SeqRange::single(seq).into_iter().for_each(|single| self.by_time.entry(at).or_default().insert(single));
    }

    /// None of these is due then any more.
    pub fn remove(&mut self, at: Instant, range: SeqRange) {
        if let Some(held) = self.by_time.get_mut(&at) {
            held.remove(range);
            if held.is_empty() {
                self.by_time.remove(&at);
            }
        }
    }

    /// What is due first, and when; of those that are due together the first.
    pub fn first(&self) -> Option<(Instant, Seq)> {
        let (at, held) = self.by_time.first_key_value()?;
        held.iter().next().and_then(|first| first.after().next()).map(|seq| (*at, seq))
    }

    /// When the first is due.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|(at, _)| *at)
    }

    /// Takes out everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// How many ranges, not how many events.
    pub fn len(&self) -> usize {
        self.by_time.values().map(RangeSet::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    fn range(after: u64, upto: u64) -> SeqRange {
        SeqRange::new(seq(after), seq(upto)).unwrap()
    }

    #[test]
    fn what_is_due_together_comes_in_order_and_costs_one_range() {
        let (mut due, [early, late]) = (Due::new(), [5, 9].map(Instant::from_millis));
        [3, 1, 2, 7].into_iter().for_each(|n| due.insert(late, seq(n)));
        due.insert(early, seq(8));
        assert_eq!((due.len(), due.next()), (3, Some(early)));
        let mut fallen = Vec::new();
        while let Some((at, first)) = due.first() {
            fallen.push((at.as_millis(), first.get()));
            due.remove(at, SeqRange::single(first).unwrap());
        }
        assert_eq!(fallen, [(5, 8), (9, 1), (9, 2), (9, 3), (9, 7)]);
        assert_eq!((due.len(), due.next()), (0, None));
    }

    #[test]
    fn what_is_taken_out_is_not_due_and_the_rest_is() {
        let (mut due, at) = (Due::new(), Instant::from_millis(5));
        (1..=9).for_each(|n| due.insert(at, seq(n)));
        due.remove(at, range(0, 3));
        due.remove(at, range(4, 8));
        due.remove(Instant::from_millis(4), range(0, 9));
        assert_eq!((due.first(), due.len()), (Some((at, seq(4))), 2));
        due.clear();
        assert_eq!((due.first(), due.len()), (None, 0));
    }
}
