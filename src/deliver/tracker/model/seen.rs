//! What can be seen of the state machine, by walking through all of it.

use super::machine::{Life, Machine};
use super::*;
use crate::base::runs;
use std::ops::RangeInclusive;

/// Seq, state, attempt, when something happens to it, what went wrong last.
pub type Trouble<'a> = (u64, State, u32, Option<Instant>, Option<&'a str>);

impl Machine {
    pub fn delivery(&self, n: u64) -> Delivery {
        let is_wanted = !self.only_odd || n % 2 == 1;
        match self.life(n) {
            Life::Open(open) | Life::Again(open) => Delivery {
                sent_at: Some(open.sent_at),
                since: Some(open.since),
                due: open.due,
                expired: open.failures.last().is_some_and(|failure| failure.timed_out),
                failures: open.failures.clone(),
                ..Delivery::bare(open.state(), open.attempt)
            },
            Life::Dead { letter: None } => Delivery::bare(State::Dead, 1),
            Life::Dead { letter: Some(letter) } => {
                let settled_at = Some(Instant::from_millis(letter.at));
                let failures = letter.failures.clone().into();
                Delivery { since: settled_at, settled_at, failures, ..Delivery::bare(State::Dead, letter.attempt) }
            }
            Life::Applied { known: Some(known), .. } => Delivery {
                sent_at: Some(known.sent_at),
                since: Some(known.confirmed_at),
                settled_at: Some(known.confirmed_at),
                latency: Some(known.confirmed_at - known.sent_at),
                failures: known.failures.clone(),
                ..Delivery::bare(State::Confirmed, known.attempt)
            },
            Life::Passed => Delivery::bare(State::Skipped, 0),
            _ if !is_wanted => Delivery::bare(State::Skipped, 0),
            Life::Applied { known: None, .. } => Delivery::bare(State::Confirmed, 1),
            Life::Awaited => Delivery::bare(State::Sent, 1),
            Life::Unsent if n <= self.sent_upto => Delivery::bare(State::Sent, 1),
            Life::Unsent => Delivery::bare(State::Pending, 0),
        }
    }

    /// `Some(None)` if it was confirmed lately.
    pub fn find(&self, n: u64) -> Option<Option<u32>> {
        match self.life(n) {
            Life::Open(open) | Life::Again(open) => Some(Some(open.attempt)),
            Life::Applied { known: Some(_), .. } => Some(None),
            _ => None,
        }
    }

    pub fn position(&self) -> u64 {
        (1..=LAST).take_while(|n| self.is_settled(*n)).last().unwrap_or(0)
    }

    pub fn known_position(&self) -> u64 {
        let told = self.untold.first().map_or(LAST, |n| n - 1);
        self.position().min(told)
    }

    pub fn sent_and_unsettled(&self) -> usize {
        self.open().count() + self.lives.values().filter(|life| matches!(life, Life::Awaited)).count()
    }

    pub fn unsettled(&self, head: u64) -> Vec<(u64, u64)> {
        runs((1..=head).filter(|n| !self.is_settled(*n) || matches!(self.life(*n), Life::Again(_))))
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.open().filter(|(_, open)| open.is_armed).filter_map(|(_, open)| open.due).min()
    }

    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.letters.iter().map(|n| self.letter(*n).clone()).collect()
    }

    pub fn requeued_unsettled(&self) -> Vec<u64> {
        let again = self.open().filter(|(n, open)| matches!(self.life(*n), Life::Again(_)) && open.waits.is_none());
        again.map(|(n, _)| n).collect()
    }

    pub fn troubled(&self) -> Vec<Trouble<'_>> {
        let open = self.open().filter(|(_, open)| !open.failures.is_empty()).map(|(n, open)| {
            (n, open.state(), open.attempt, open.due, open.failures.last().map(|failure| failure.message.as_str()))
        });
        let dead = self.letters.iter().map(|n| {
            let letter = self.letter(*n);
            (*n, State::Dead, letter.attempt, None, letter.failures.back().map(|failure| failure.message.as_str()))
        });
        open.chain(dead).collect()
    }

    /// Between what neighbours that are due together take as ranges and what each of them takes alone: in which order they
    /// came decides.
    pub fn footprint(&self) -> RangeInclusive<usize> {
        let ranges = |wanted: fn(&Life) -> bool| runs((1..=LAST).filter(|n| wanted(self.life(*n)))).len();
        let known = self.lives.values().filter(|life| matches!(life, Life::Applied { known: Some(_), .. })).count();
        let mut due: BTreeMap<Option<Instant>, Vec<u64>> = BTreeMap::new();
        for (n, open) in self.open().filter(|(_, open)| open.is_armed) {
            due.entry(open.due).or_default().push(n);
        }
        let others = ranges(Life::is_settled)
            + ranges(|life| matches!(life, Life::Awaited))
            + ranges(|life| matches!(life, Life::Passed))
            + ranges(|life| matches!(life, Life::Dead { .. }))
            + ranges(|life| matches!(life, Life::Applied { vouched: true, .. }))
            + runs(self.untold.iter().copied()).len()
            + self.open().count()
            + known
            + self.letters.len();
        let least = due.values().map(|at_once| runs(at_once.iter().copied()).len()).sum::<usize>();
        let most = due.values().map(Vec::len).sum::<usize>();
        others + least..=others + most
    }

    /// Whether the position may pass it.
    fn is_settled(&self, n: u64) -> bool {
        self.life(n).is_settled()
    }

    fn letter(&self, n: u64) -> &DeadLetter {
        match self.life(n) {
            Life::Dead { letter: Some(letter) } => letter,
            life => panic!("{n} has no letter: {life:?}"),
        }
    }
}
