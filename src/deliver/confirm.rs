//! What the consumer says about events it was sent [section 6 of `PROTOCOL.md`].

use std::{fmt, ops::Bound};

use super::feed::Feed;
use super::link::{Link, MAX_RESENDS};
use super::record::Record;
use super::retrying::{Failed, Verdict};
use crate::base::Instant;
use crate::wire::{Ack, Confirm, ConfirmStatus, Epoch, EventConfirmation, MAX_RANGES, Nack, Resend, Seq, SeqRange};

/// While so many frames wait, a client that fails an event again that is over is not told so again. It repeats its failure
/// when it resumes [AW-ACK-6].
pub const MAX_SAID_AGAIN: usize = 256;

/// The client broke the protocol: close with 4400 and this as the reason. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An ack, or a position, of what was never sent [AW-ACK-4, AW-ACK-8].
    AckBeyondSent {
        /// The field that says so.
        field: &'static str,
        /// What it names.
        seq: Seq,
        /// What was sent.
        sent_upto: Seq,
    },
    /// A frame about another epoch than the subscription's.
    OtherEpoch {
        /// The frame's type.
        frame: &'static str,
    },
    /// More than [`MAX_RANGES`] ranges.
    TooManyRanges {
        /// The frame's type.
        frame: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AckBeyondSent { field, seq, sent_upto } => {
                write!(f, "invalid `ack` frame: `{field}`: {seq} was never sent, {sent_upto} is the last")
            }
            Self::OtherEpoch { frame } => write!(f, "invalid `{frame}` frame: `epoch` is not the subscription's"),
            Self::TooManyRanges { frame, field } => {
                write!(f, "invalid `{frame}` frame: `{field}` has more than {MAX_RANGES} ranges")
            }
        }
    }
}

impl std::error::Error for Violation {}

impl Feed {
    /// Events are applied [AW-ACK-2]. Re-acking is harmless and counts once. How far the client has come otherwise is
    /// remembered, and confirms nothing [AW-ACK-8].
    pub fn handle_ack(&mut self, now: Instant, ack: &Ack) -> Result<(), Violation> {
        self.check("ack", "also", &ack.epoch, &ack.also)?;
        let known = self.link.as_ref().map_or(Seq::ZERO, |link| link.sent_upto.max(link.claimable));
        let sent_upto = self.tracker.sent_upto().max(known);
        // Ascending: what is beyond shows in the field that says it first.
        let named =
            [("upto", ack.upto), ("also", ack.named()), ("delivered", ack.delivered), ("received", ack.received)];
        if let Some((field, seq)) = named.into_iter().find(|(_, seq)| *seq > sent_upto) {
            return Err(Violation::AckBeyondSent { field, seq, sent_upto });
        }
        self.tracker.reported.raise(ack.delivered, ack.received);
        if let Some(link) = &mut self.link {
            link.acked(ack.upto, ack.named());
        }
        for range in SeqRange::new(Seq::ZERO, ack.upto).into_iter().chain(ack.also.iter().copied()) {
            self.settle(now, range);
        }
        self.settle_down(now);
        Ok(())
    }

    /// A handler failed [AW-ACK-5].
    pub fn handle_nack(&mut self, now: Instant, nack: &Nack) -> Result<(), Violation> {
        self.check("nack", "", &nack.epoch, &[])?;
        let Nack { seq, error, retry, .. } = nack;
        self.fail(now, Failed { seq: *seq, attempt: nack.attempt.max(1), error, retry: *retry });
        self.settle_down(now);
        Ok(())
    }

    /// A requeued event is applied: its own confirmation, which no cumulative ack takes the place of [AW-SEND-9].
    pub fn handle_confirm(&mut self, now: Instant, confirm: &Confirm) -> Result<(), Violation> {
        self.check("confirm", "", &confirm.epoch, &[])?;
        let Some(single) = SeqRange::single(confirm.seq) else { return Ok(()) };
        let of_this_life = |record: &Record| record.is_requeued() && confirm.attempt > record.spent;
        for (seq, record) in self.tracker.take_open(single, of_this_life) {
            self.tracker.note_confirmed(now, seq, record, true);
            self.tracker.dirty = true;
            self.link.iter_mut().for_each(|link| link.pass_over(single));
        }
        if let Some(link) = &mut self.link
            && !self.tracker.is_requeued(confirm.seq)
        {
            link.retries.remove(&confirm.seq);
        }
        self.settle_down(now);
        Ok(())
    }

    /// Frames were lost [AW-SEND-6]. What was not sent on this subscription is not sent for this.
    pub fn handle_resend(&mut self, resend: &Resend) -> Result<(), Violation> {
        self.check("resend", "ranges", &resend.epoch, &resend.ranges)?;
        let Some(link) = &mut self.link else { return Ok(()) };
        let Some(sent) = SeqRange::new(link.start, link.sent_upto) else { return Ok(()) };
        for range in resend.ranges.iter().filter_map(|range| range.intersection(sent)) {
            if link.resends.len() < MAX_RESENDS {
                link.resends.insert(range);
                self.tracker.counters.resends += 1;
            }
        }
        Ok(())
    }

    /// The simple form [AW-ACK-7]. `false` if no such event was sent to this consumer and is unsettled, or was confirmed
    /// within the last [`MAX_RECENT`](super::MAX_RECENT).
    pub fn handle_confirmation(&mut self, now: Instant, confirmation: &EventConfirmation) -> bool {
        let Some((seq, attempt)) = self.tracker.find(&confirmation.event_id) else { return false };
        let Some(attempt) = attempt else { return true };
        match (confirmation.status, SeqRange::single(seq)) {
            (ConfirmStatus::Confirmed, Some(single)) => self.settle(now, single),
            (ConfirmStatus::Confirmed, None) => {}
            (ConfirmStatus::Failed, _) => {
                let error = confirmation.error.as_deref().unwrap_or("failed");
                self.fail(now, Failed { seq, attempt, error, retry: true });
            }
        }
        self.settle_down(now);
        true
    }

    fn check(
        &self,
        frame: &'static str,
        field: &'static str,
        epoch: &Epoch,
        ranges: &[SeqRange],
    ) -> Result<(), Violation> {
        match () {
            () if *epoch != *self.tracker.epoch() => Err(Violation::OtherEpoch { frame }),
            () if ranges.len() > MAX_RANGES => Err(Violation::TooManyRanges { frame, field }),
            () => Ok(()),
        }
    }

    fn settle(&mut self, now: Instant, range: SeqRange) {
        if self.tracker.is_crowded(range) {
            return;
        }
        self.revive(now, range);
        self.tracker.confirm(now, range);
        let Some(link) = &mut self.link else { return };
        link.widen(now, range, &self.config);
        link.release(range);
        // It was sent by an earlier connection and settles before this one came to it.
        let beyond = SeqRange::new(link.sent_upto, range.upto()).and_then(|beyond| beyond.intersection(range));
        beyond.into_iter().for_each(|beyond| link.skip.insert(beyond));
    }

    /// Dead events that a replay sent once more and that are applied now.
    fn revive(&mut self, now: Instant, range: SeqRange) {
        let Some(link) = self.link.as_ref().filter(|link| link.replay && !self.tracker.dead.is_empty()) else { return };
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        let sent: Vec<Seq> = link.outstanding.range(within).map(|(seq, _)| *seq).collect();
        for seq in sent {
            if self.tracker.dead.contains(seq) {
                self.tracker.confirm_dead(now, seq);
            }
        }
    }

    pub(super) fn fail(&mut self, now: Instant, failed: Failed<'_>) {
        let seq = failed.seq;
        let is_over = |link: &Link| seq <= link.sent_upto && !link.outstanding.contains_key(&seq);
        let is_over = self.link.as_ref().is_some_and(is_over);
        let (is_dead, is_gone) = (self.tracker.is_dead(seq), is_over && self.tracker.is_gone(seq));
        if is_dead || is_gone {
            match () {
                () if is_over && self.frames.len() >= MAX_SAID_AGAIN => {}
                // The client has not heard of it yet, or a replay failed once more.
                () if is_dead => self.give_up(now, seq),
                // The client had it before it heard that the log has lost it; it will not come again.
                () => self.lose_again(now, seq),
            }
            return;
        }
        if self.tracker.settled.contains(seq)
            && let Some(sent) = self.link.as_mut().and_then(|link| link.take_repeat(seq))
        {
            // A replay, and this time the handler failed.
            if !self.tracker.may_reopen() {
                return self.give_up(now, seq);
            }
            self.tracker.reopen(seq, Record::new(now, sent.id, sent.priority, sent.terms));
        }
        if self.tracker.fail(now, failed, &self.config, &mut self.rng) == Verdict::Dead {
            self.give_up(now, seq);
        }
    }
}
