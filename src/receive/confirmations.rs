//! What was delivered and is not yet settled.

use super::{Head, Outcome};
use crate::wire::{Seq, SeqRange, Text, bounded_error};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    Running,
    /// Waits for the server to send it again, or to give it up.
    Failed {
        error: Text,
        retry: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Open {
    pub seq: Seq,
    pub id_hash: u64,
    /// The highest attempt that was heard of.
    pub attempt: u32,
    /// The attempt that the handler was given.
    pub delivered: u32,
    pub critical: bool,
    pub handling: Handling,
}

/// What a repeat of an event calls for [AW-RECV-2].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It is confirmed: say so again.
    AckAgain,
    /// It failed: say so again.
    NackAgain,
    /// Its handler still runs.
    Nothing,
    /// It failed and is to be tried again.
    Deliver,
}

/// The open events of a subscription, ascending. Everything up to the cursor that is not here is accounted for, so
/// that confirming costs what is open, not what was ever confirmed.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    list: Vec<Open>,
    /// So many at the front are settled, and wait to be dropped together: settling in order moves nothing.
    done: usize,
}

impl Confirmations {
    /// An event beyond all others is handed to its handlers.
    pub fn start(&mut self, head: &Head) {
        self.go_on(head, head.attempt, Handling::Running);
    }

    /// An event beyond all others was handed to its handlers before.
    pub fn go_on(&mut self, head: &Head, delivered: u32, handling: Handling) {
        debug_assert!(self.list.last().is_none_or(|last| last.seq < head.seq), "events are delivered in order");
        self.list.push(Open {
            seq: head.seq,
            id_hash: head.id_hash,
            attempt: head.attempt.max(delivered),
            delivered,
            critical: head.critical,
            handling,
        });
    }

    /// An event at or below the cursor came again.
    pub fn repeat(&mut self, head: &Head) -> Repeat {
        let Some(index) = self.index(head.seq) else { return Repeat::AckAgain };
        let open = &mut self.list[index];
        let newer = head.attempt > open.attempt;
        open.attempt = open.attempt.max(head.attempt);
        match open.handling {
            Handling::Running => Repeat::Nothing,
            Handling::Failed { .. } if !newer => Repeat::NackAgain,
            Handling::Failed { .. } => {
                open.delivered = head.attempt;
                open.handling = Handling::Running;
                Repeat::Deliver
            }
        }
    }

    /// A handler is done. `None` if that delivery is not running: settled before, or given up.
    pub fn settle(&mut self, seq: Seq, delivered: u32, outcome: Outcome) -> Option<Settled> {
        let index = self.index(seq)?;
        let open = &mut self.list[index];
        if open.handling != Handling::Running || open.delivered != delivered {
            return None;
        }
        match outcome {
            Outcome::Confirmed => {
                let critical = open.critical;
                if index > self.done {
                    self.list.remove(index);
                } else {
                    self.done += 1;
                }
                self.tidy();
                Some(Settled::Confirmed { critical })
            }
            Outcome::Failed { error, retry } => {
                open.handling = Handling::Failed { error: bounded_error(&error), retry };
                Some(Settled::Failed)
            }
        }
    }

    /// Everything that runs in the range is confirmed: how many events, and whether one was critical.
    pub fn settle_run(&mut self, range: SeqRange) -> (u32, bool) {
        let settled = self.take(range, |open| open.handling == Handling::Running);
        (settled.len() as u32, settled.iter().any(|open| open.critical))
    }

    /// Gives up what is open in the range, and returns it. Whoever settles it later is not heard.
    pub fn give_up(&mut self, range: SeqRange) -> Vec<Open> {
        self.take(range, |_| true)
    }

    /// Everything up to this is confirmed or accounted for otherwise; `cursor` if nothing is open.
    pub fn settled(&self, cursor: Seq) -> Seq {
        self.open().first().map_or(cursor, |open| open.seq.before())
    }

    /// What is accounted for beyond [`settled`](Self::settled), at most `max` ranges, ascending.
    pub fn also(&self, cursor: Seq, max: usize) -> Vec<SeqRange> {
        let mut ranges = Vec::new();
        let mut rest = self.open();
        while let [open, beyond @ ..] = rest
            && ranges.len() < max
        {
            let upto = beyond.first().map_or(cursor, |next| next.seq.before());
            ranges.extend(SeqRange::new(open.seq, upto));
            rest = beyond;
        }
        ranges
    }

    /// What failed and waits.
    pub fn failed(&self) -> impl Iterator<Item = &Open> {
        self.open().iter().filter(|open| open.handling != Handling::Running)
    }

    pub fn get(&self, seq: Seq) -> Option<&Open> {
        self.index(seq).map(|index| &self.list[index])
    }

    /// How many run that lie beyond `seq`.
    pub fn running_beyond(&self, seq: Seq) -> usize {
        self.open().iter().filter(|open| open.seq > seq && open.handling == Handling::Running).count()
    }

    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Gives everything up, and returns it.
    pub fn clear(&mut self) -> Vec<Open> {
        let mut all = std::mem::take(self);
        all.list.drain(..all.done);
        all.list
    }

    fn open(&self) -> &[Open] {
        &self.list[self.done..]
    }

    /// How many lie at or below `seq`, what is done included.
    fn place(&self, seq: Seq) -> usize {
        self.done + self.open().partition_point(|open| open.seq <= seq)
    }

    fn index(&self, seq: Seq) -> Option<usize> {
        let index = self.place(seq).checked_sub(1)?;
        (index >= self.done && self.list[index].seq == seq).then_some(index)
    }

    fn take(&mut self, range: SeqRange, wanted: fn(&Open) -> bool) -> Vec<Open> {
        let within = self.place(range.after())..self.place(range.upto());
        let mut taken = Vec::new();
        // Each that stays moves to the end of those before it that stay.
        let mut end = within.start;
        for index in within.clone() {
            if wanted(&self.list[index]) {
                taken.push(self.list[index].clone());
            } else {
                self.list.swap(end, index);
                end += 1;
            }
        }
        self.list.drain(end..within.end);
        self.tidy();
        taken
    }

    fn tidy(&mut self) {
        if self.done * 2 > self.list.len() {
            self.list.drain(..self.done);
            self.done = 0;
        }
    }
}

/// What [`Confirmations::settle`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Confirmed { critical: bool },
    Failed,
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod model;
