//! What was delivered and is not yet settled.

use std::collections::VecDeque;

use super::{Head, Outcome};
use crate::wire::{MAX_ERROR_BYTES, Seq, SeqRange, truncate};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    Running,
    /// Waits for the server to send it again, or to give it up.
    Failed {
        error: String,
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
    open: VecDeque<Open>,
}

impl Confirmations {
    /// An event beyond all others is handed to its handlers.
    pub fn start(&mut self, head: &Head) {
        debug_assert!(self.open.back().is_none_or(|last| last.seq < head.seq), "events are delivered in order");
        self.open.push_back(Open {
            seq: head.seq,
            id_hash: head.id_hash,
            attempt: head.attempt,
            delivered: head.attempt,
            critical: head.critical,
            handling: Handling::Running,
        });
    }

    /// An event at or below the cursor came again.
    pub fn repeat(&mut self, head: &Head) -> Repeat {
        let Some(open) = self.find_mut(head.seq) else { return Repeat::AckAgain };
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
        let open = &mut self.open[index];
        if open.handling != Handling::Running || open.delivered != delivered {
            return None;
        }
        match outcome {
            Outcome::Confirmed => {
                let critical = open.critical;
                self.open.remove(index);
                Some(Settled::Confirmed { critical })
            }
            Outcome::Failed { error, retry } => {
                open.handling = Handling::Failed { error: truncate(&error, MAX_ERROR_BYTES).into(), retry };
                Some(Settled::Failed)
            }
        }
    }

    /// Everything that runs in the range is confirmed: how many events, and whether one was critical.
    pub fn settle_run(&mut self, range: SeqRange) -> (u32, bool) {
        let (mut count, mut critical) = (0, false);
        self.retain_in(range, |open| {
            let done = open.handling == Handling::Running;
            if done {
                count += 1;
                critical |= open.critical;
            }
            !done
        });
        (count, critical)
    }

    /// Gives up what is open in the range. Whoever settles it later is not heard.
    pub fn give_up(&mut self, range: SeqRange, mut told: impl FnMut(&Open)) {
        self.retain_in(range, |open| {
            told(open);
            false
        });
    }

    /// Everything up to this is confirmed or accounted for otherwise; `cursor` if nothing is open.
    pub fn settled(&self, cursor: Seq) -> Seq {
        self.open.front().map_or(cursor, |open| open.seq.before())
    }

    /// What is accounted for beyond [`settled`](Self::settled), at most `max` ranges, ascending.
    pub fn also(&self, cursor: Seq, max: usize) -> Vec<SeqRange> {
        let starts = self.open.iter().map(|open| open.seq);
        let ends = self.open.iter().skip(1).map(|open| open.seq.before()).chain(std::iter::once(cursor));
        starts.zip(ends).filter_map(|(after, upto)| SeqRange::new(after, upto)).take(max).collect()
    }

    /// What failed and waits.
    pub fn failed(&self) -> impl Iterator<Item = &Open> {
        self.open.iter().filter(|open| open.handling != Handling::Running)
    }

    pub fn get(&self, seq: Seq) -> Option<&Open> {
        self.index(seq).map(|index| &self.open[index])
    }

    /// How many run that lie beyond `seq`.
    pub fn running_beyond(&self, seq: Seq) -> usize {
        let from = self.open.partition_point(|open| open.seq <= seq);
        self.open.iter().skip(from).filter(|open| open.handling == Handling::Running).count()
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Gives everything up.
    pub fn drain(&mut self) -> impl Iterator<Item = Open> + '_ {
        self.open.drain(..)
    }

    fn index(&self, seq: Seq) -> Option<usize> {
        let at = self.open.partition_point(|open| open.seq < seq);
        self.open.get(at).is_some_and(|open| open.seq == seq).then_some(at)
    }

    fn find_mut(&mut self, seq: Seq) -> Option<&mut Open> {
        self.index(seq).and_then(|index| self.open.get_mut(index))
    }

    fn retain_in(&mut self, range: SeqRange, mut keep: impl FnMut(&Open) -> bool) {
        // The usual case confirms a run from the front.
        while self.open.front().is_some_and(|open| range.contains(open.seq) && !keep(open)) {
            self.open.pop_front();
        }
        if self.open.iter().any(|open| range.contains(open.seq)) {
            self.open.retain(|open| !range.contains(open.seq) || keep(open));
        }
    }
}

/// What [`Confirmations::settle`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Confirmed { critical: bool },
    Failed,
}
