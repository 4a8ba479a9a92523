//! Dead letters in their second life: outside of the cursor's account [AW-SEND-9].

use super::confirmations::Handling;
use super::{Head, Outcome};
use crate::wire::{Seq, SeqRange, bounded_error};

/// Most of them that are remembered; the settled ones go first, and after them nothing new is taken: the server sends
/// it again.
pub const MAX_REMEMBERED: usize = 256;

#[derive(Debug)]
pub(super) struct Requeued {
    pub id_hash: u64,
    /// The highest attempt that was heard of.
    pub attempt: u32,
    delivered: u32,
    /// `None` once it is applied.
    pub handling: Option<Handling>,
}

/// What the arrival of one calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Deliver,
    ConfirmAgain,
    NackAgain,
    Nothing,
}

/// Those that came in this page life, by seq. Few, and rare: a sorted list finds them as well as a tree.
#[derive(Debug, Default)]
pub(super) struct RequeuedEvents(Vec<(Seq, Requeued)>);

impl RequeuedEvents {
    /// `applied` says whether an event that is not among these is applied in this page life.
    pub fn arrive(&mut self, head: &Head, applied: impl FnOnce() -> bool) -> Arrival {
        let Ok(index) = self.find(head.seq) else {
            if !self.make_room() {
                return Arrival::Nothing;
            }
            let Head { id_hash, attempt, .. } = *head;
            let handling = (!applied()).then_some(Handling::Running);
            let arrival = if handling.is_some() { Arrival::Deliver } else { Arrival::ConfirmAgain };
            let place = self.0.partition_point(|(seq, _)| *seq < head.seq);
            self.0.insert(place, (head.seq, Requeued { id_hash, attempt, delivered: attempt, handling }));
            return arrival;
        };
        let (_, known) = &mut self.0[index];
        let newer = head.attempt > known.attempt;
        known.attempt = known.attempt.max(head.attempt);
        match known.handling {
            None => Arrival::ConfirmAgain,
            Some(Handling::Running) => Arrival::Nothing,
            Some(Handling::Failed { .. }) if !newer => Arrival::NackAgain,
            Some(Handling::Failed { .. }) => {
                known.delivered = head.attempt;
                known.handling = Some(Handling::Running);
                Arrival::Deliver
            }
        }
    }

    /// A handler is done; whether it went well. `None` if that delivery is not running.
    pub fn settle(&mut self, seq: Seq, delivered: u32, outcome: &Outcome) -> Option<bool> {
        let index = self.find(seq).ok()?;
        let (_, known) = &mut self.0[index];
        if known.handling != Some(Handling::Running) || known.delivered != delivered {
            return None;
        }
        known.handling = match outcome {
            Outcome::Confirmed => None,
            Outcome::Failed { error, retry } => Some(Handling::Failed { error: bounded_error(error), retry: *retry }),
        };
        Some(known.handling.is_none())
    }

    /// Those that run in the range.
    pub fn running(&self, range: SeqRange) -> Vec<(Seq, u32)> {
        let running =
            self.0.iter().filter(|(seq, known)| range.contains(*seq) && known.handling == Some(Handling::Running));
        running.map(|(seq, known)| (*seq, known.delivered)).collect()
    }

    /// Gives up those in the range that are not applied.
    pub fn give_up(&mut self, range: SeqRange) -> Vec<(Seq, u64)> {
        let mut given_up = Vec::new();
        self.0.retain(|(seq, known)| {
            let gone = range.contains(*seq) && known.handling.is_some();
            if gone {
                given_up.push((*seq, known.id_hash));
            }
            !gone
        });
        given_up
    }

    pub fn failed(&self) -> Vec<Seq> {
        let failed = self.0.iter().filter(|(_, known)| matches!(known.handling, Some(Handling::Failed { .. })));
        failed.map(|(seq, _)| *seq).collect()
    }

    pub fn get(&self, seq: Seq) -> Option<&Requeued> {
        self.find(seq).ok().map(|index| &self.0[index].1)
    }

    /// How many are not applied.
    pub fn open(&self) -> usize {
        self.0.iter().filter(|(_, known)| known.handling.is_some()).count()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all of them; the ids of those that are not applied.
    pub fn drain(&mut self) -> impl Iterator<Item = u64> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.filter(|(_, known)| known.handling.is_some()).map(|(_, known)| known.id_hash)
    }

    /// Where it is, or where it would go.
    fn find(&self, seq: Seq) -> Result<usize, usize> {
        self.0.binary_search_by_key(&seq, |(seq, _)| *seq)
    }

    fn make_room(&mut self) -> bool {
        if self.0.len() < MAX_REMEMBERED {
            return true;
        }
        let settled = self.0.iter().position(|(_, known)| known.handling.is_none());
        settled.is_some_and(|index| {
            self.0.remove(index);
            true
        })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod model;
