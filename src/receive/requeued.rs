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
    life: Life,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open(Handling),
    Applied,
    /// The server gave it up. A copy of its frame that was held up on the way is known by its attempt.
    GivenUp,
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
            return if self.make_room() { self.begin(head, applied()) } else { Arrival::Nothing };
        };
        let (_, known) = &mut self.0[index];
        let newer = head.attempt > known.attempt;
        known.attempt = known.attempt.max(head.attempt);
        match known.life {
            Life::Applied => Arrival::ConfirmAgain,
            Life::Open(Handling::Failed { .. }) if !newer => Arrival::NackAgain,
            Life::Open(Handling::Failed { .. }) => {
                known.delivered = head.attempt;
                known.life = Life::Open(Handling::Running);
                Arrival::Deliver
            }
            Life::GivenUp if newer => {
                self.0.remove(index);
                self.begin(head, applied())
            }
            Life::Open(Handling::Running) | Life::GivenUp => Arrival::Nothing,
        }
    }

    /// A handler is done; whether it went well. `None` if that delivery is not running.
    pub fn settle(&mut self, seq: Seq, delivered: u32, outcome: &Outcome) -> Option<bool> {
        let index = self.find(seq).ok()?;
        let (_, known) = &mut self.0[index];
        if known.life != Life::Open(Handling::Running) || known.delivered != delivered {
            return None;
        }
        known.life = match outcome {
            Outcome::Confirmed => Life::Applied,
            Outcome::Failed { error, retry } => {
                Life::Open(Handling::Failed { error: bounded_error(error), retry: *retry })
            }
        };
        Some(known.life == Life::Applied)
    }

    /// Whether its handler runs, has failed or has applied it.
    pub fn holds(&self, seq: Seq) -> bool {
        self.get(seq).is_some_and(|known| known.life != Life::GivenUp)
    }

    /// Of one that is open: the highest attempt that was heard of, and what its handler does.
    pub fn handling(&self, seq: Seq) -> Option<(u32, &Handling)> {
        match self.get(seq)? {
            Requeued { attempt, life: Life::Open(handling), .. } => Some((*attempt, handling)),
            _ => None,
        }
    }

    /// Takes out one that is open: the attempt that its handler was given, and what became of that.
    pub fn take_open(&mut self, seq: Seq) -> Option<(u32, Handling)> {
        let index = self.find(seq).ok().filter(|index| self.0[*index].1.is_open())?;
        match self.0.remove(index).1 {
            Requeued { delivered, life: Life::Open(handling), .. } => Some((delivered, handling)),
            _ => None,
        }
    }

    /// Those that run in the range.
    pub fn running(&self, range: SeqRange) -> Vec<(Seq, u32)> {
        let runs = |seq: Seq, known: &Requeued| range.contains(seq) && known.life == Life::Open(Handling::Running);
        let running = self.0.iter().filter(|(seq, known)| runs(*seq, known));
        running.map(|(seq, known)| (*seq, known.delivered)).collect()
    }

    /// Gives up those in the range that are open.
    pub fn give_up(&mut self, range: SeqRange) -> Vec<(Seq, u64)> {
        let mut given_up = Vec::new();
        for (seq, known) in &mut self.0 {
            if range.contains(*seq) && known.is_open() {
                known.life = Life::GivenUp;
                given_up.push((*seq, known.id_hash));
            }
        }
        given_up
    }

    /// Another feed begins: what the server sends in it is no copy of what it gave up before.
    pub fn forget_given_up(&mut self) {
        self.0.retain(|(_, known)| known.life != Life::GivenUp);
    }

    pub fn failed(&self) -> Vec<Seq> {
        let failed = self.0.iter().filter(|(_, known)| matches!(known.life, Life::Open(Handling::Failed { .. })));
        failed.map(|(seq, _)| *seq).collect()
    }

    pub fn get(&self, seq: Seq) -> Option<&Requeued> {
        self.find(seq).ok().map(|index| &self.0[index].1)
    }

    /// How many run or have failed.
    pub fn open(&self) -> usize {
        self.0.iter().filter(|(_, known)| known.is_open()).count()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all of them; the ids of those that are open.
    pub fn drain(&mut self) -> impl Iterator<Item = u64> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.filter(|(_, known)| known.is_open()).map(|(_, known)| known.id_hash)
    }

    fn begin(&mut self, head: &Head, applied: bool) -> Arrival {
        let Head { seq, id_hash, attempt, .. } = *head;
        let (life, arrival) = match applied {
            true => (Life::Applied, Arrival::ConfirmAgain),
            false => (Life::Open(Handling::Running), Arrival::Deliver),
        };
        let place = self.0.partition_point(|(known, _)| *known < seq);
        self.0.insert(place, (seq, Requeued { id_hash, attempt, delivered: attempt, life }));
        arrival
    }

    /// Where it is, or where it would go.
    fn find(&self, seq: Seq) -> Result<usize, usize> {
        self.0.binary_search_by_key(&seq, |(seq, _)| *seq)
    }

    fn make_room(&mut self) -> bool {
        if self.0.len() < MAX_REMEMBERED {
            return true;
        }
        let settled = self.0.iter().position(|(_, known)| !known.is_open());
        settled.is_some_and(|index| {
            self.0.remove(index);
            true
        })
    }
}

impl Requeued {
    fn is_open(&self) -> bool {
        matches!(self.life, Life::Open(_))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod model;
