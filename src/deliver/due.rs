//! When something is to happen to which events.

use std::collections::BTreeMap;

use crate::base::Instant;
use crate::wire::{Seq, SeqRange};

/// Due times of events. Events that follow on each other and are due together cost one range: what goes out at a time, most
/// of the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    /// The ends of disjoint ranges, by when they are due and after what they begin.
    ranges: BTreeMap<(Instant, Seq), Seq>,
}

impl Due {
    /// Nothing is due.
    pub const fn new() -> Self {
        Self { ranges: BTreeMap::new() }
    }

    /// An event is due then, which was not.
    pub fn insert(&mut self, at: Instant, seq: Seq) {
        let after = seq.before();
        match self.ranges.range_mut(..=(at, after)).next_back() {
            Some(((time, _), upto)) if *time == at && *upto == after => *upto = seq,
            _ => drop(self.ranges.insert((at, after), seq)),
        }
    }

    /// None of these is due then any more.
    pub fn remove(&mut self, at: Instant, range: SeqRange) {
        // Most of the time it is one that went out as it goes.
        if let Some(upto) = self.ranges.remove(&(at, range.after())) {
            if upto > range.upto() {
                self.ranges.insert((at, range.upto()), upto);
            }
            if upto >= range.upto() {
                return;
            }
        }
        let before = self.ranges.range(..(at, range.after())).next_back();
        let overlaps = |((time, _), upto): &(&(Instant, Seq), &Seq)| *time == at && **upto > range.after();
        if let Some((&(_, after), &upto)) = before.filter(overlaps) {
            self.ranges.insert((at, after), range.after());
            if upto > range.upto() {
                self.ranges.insert((at, range.upto()), upto);
            }
        }
        let within = (at, range.after())..(at, range.upto());
        let rest: Vec<_> = self.ranges.extract_if(within, |_, _| true).collect();
        for (_, upto) in rest.into_iter().filter(|(_, upto)| *upto > range.upto()) {
            self.ranges.insert((at, range.upto()), upto);
        }
    }

    /// What is due first, and when; of those that are due together the first.
    pub fn first(&self) -> Option<(Instant, Seq)> {
        let ((at, after), _) = self.ranges.first_key_value()?;
        after.next().map(|seq| (*at, seq))
    }

    /// When the first is due.
    pub fn next(&self) -> Option<Instant> {
        self.ranges.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// How many ranges, not how many events.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    fn range(after: u64, upto: u64) -> SeqRange {
        SeqRange::new(seq(after), seq(upto)).unwrap()
    }

    #[test]
    fn what_is_due_together_comes_in_order_and_costs_a_range_as_it_came() {
        let (mut due, [early, late]) = (Due::new(), [5, 9].map(Instant::from_millis));
        [3, 1, 2, 7].into_iter().for_each(|n| due.insert(late, seq(n)));
        due.insert(early, seq(8));
        assert_eq!((due.len(), due.next()), (4, Some(early)), "3 came before 1 and 2");
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
        // As far as ranges end, they leave nothing behind.
        [1, 2, 3, 7, 5].into_iter().for_each(|n| due.insert(at, seq(n)));
        due.remove(at, range(3, 7));
        due.remove(at, range(2, 3));
        assert_eq!((due.first(), due.len()), (Some((at, seq(1))), 1));
    }

    proptest! {
        #[test]
        fn due_times_are_a_set_of_events_by_time(
            ops in prop::collection::vec((any::<bool>(), 0..3u64, 0..12u64, 1..6u64), 0..40),
        ) {
            let (mut due, mut model) = (Due::new(), BTreeSet::new());
            for (inserts, at, after, count) in ops {
                let at = Instant::from_millis(at);
                if !inserts {
                    due.remove(at, range(after, after + count));
                    model.retain(|(time, n)| *time != at || *n <= after || *n > after + count);
                } else if model.insert((at, after + 1)) {
                    due.insert(at, seq(after + 1));
                }
                prop_assert_eq!(due.next(), model.first().map(|(at, _)| *at));
            }
            let mut drained = Vec::new();
            while let Some((at, first)) = due.first() {
                drained.push((at, first.get()));
                due.remove(at, SeqRange::single(first).unwrap());
            }
            prop_assert_eq!(drained, model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(due.len(), 0);
        }
    }
}
