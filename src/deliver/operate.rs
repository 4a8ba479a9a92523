//! What is done to single events from outside of a connection: by an operator, a producer, or the consumer's own code
//! over another way than its connection.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::Notice;
use super::feed::Feed;
use super::record::{Phase, Record, Terms};
use super::retrying::Failed;
use super::tracker::{MAX_EXCEPTIONS, Tracker};
use crate::base::Instant;
use crate::wire::{Event, Seq, SeqRange};

/// Most dead letters of a consumer that are in their second life at a time.
pub const MAX_REQUEUED: usize = 64;

/// Why nothing was done. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotDone {
    /// The event was not sent to this consumer: it is unknown to it.
    UnknownEvent,
    /// The event is settled, and failing it changes nothing.
    Settled,
    /// The event is not among this consumer's dead letters.
    NoDeadLetter,
    /// [`MAX_REQUEUED`] dead letters are in their second life already.
    TooMany,
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEvent => f.write_str("this event was not sent to this consumer"),
            Self::Settled => f.write_str("this event is settled"),
            Self::NoDeadLetter => f.write_str("this event is not among the consumer's dead letters"),
            Self::TooMany => write!(f, "{MAX_REQUEUED} dead letters are being sent again already"),
        }
    }
}

impl std::error::Error for NotDone {}

impl Feed {
    /// The event is applied, as somebody else than the connection knows. Idempotent: `Ok(false)` if it was confirmed
    /// before. A dead letter is confirmed, too.
    pub fn confirm(&mut self, now: Instant, event: &Event) -> Result<bool, NotDone> {
        let seq = event.seq;
        let single = SeqRange::single(seq).ok_or(NotDone::UnknownEvent)?;
        let tracker = &mut self.tracker;
        tracker.recall(now, event);
        // The page has the event and may still be at it: it goes on taking its room in the window until the page says so
        // itself, or until it has had as much time as for any other.
        let (mut with_page, mut is_requeued) = (false, false);
        if let Some((_, record)) = tracker.take_open(single, |_| true).next() {
            is_requeued = record.is_requeued();
            with_page = !is_requeued && !matches!(record.phase, Phase::Waiting { timed_out: false, .. });
            tracker.note_confirmed(now, seq, record.clone(), record.is_late());
            tracker.settled.insert(single);
            tracker.vouch(single);
        } else if tracker.is_dead(seq) {
            // Without its letter only the fact is left.
            tracker.confirm_dead(now, seq);
            tracker.dead.remove(single);
            tracker.untold.remove(single);
            tracker.vouch(single);
        } else if tracker.skipped.contains(seq) || !tracker.settled.contains(seq) {
            return Err(NotDone::UnknownEvent);
        } else {
            return Ok(false);
        }
        if let Some(link) = &mut self.link {
            if with_page && link.outstanding.contains_key(&seq) {
                link.vouch(seq, now + Terms::of(event).deadline(&self.config));
            } else {
                link.release(single);
            }
            if is_requeued {
                link.pass_over(single);
            }
            link.retries.remove(&seq);
        }
        self.settle_down(now);
        Ok(true)
    }

    /// The event could not be applied, as somebody else than the connection knows. It is sent again as after a nack, or
    /// given up with `retry: false` or without retries left.
    pub fn fail_event(&mut self, now: Instant, event: &Event, error: &str, retry: bool) -> Result<(), NotDone> {
        let seq = event.seq;
        self.tracker.recall(now, event);
        let Some(record) = self.tracker.open.get(&seq) else {
            let is_known = self.tracker.settled.contains(seq) && !self.tracker.skipped.contains(seq);
            return Err(if is_known { NotDone::Settled } else { NotDone::UnknownEvent });
        };
        let attempt = record.attempt;
        self.fail(now, Failed { seq, attempt, error, retry });
        self.settle_down(now);
        Ok(())
    }

    /// A dead letter is sent again, with all its retries [AW-SEND-9]. `event` is the log's copy.
    pub fn requeue(&mut self, now: Instant, event: &Event) -> Result<(), NotDone> {
        self.tracker.requeue(now, event)?;
        if let Some(link) = &mut self.link {
            link.retries.insert(event.seq);
        }
        self.settle_down(now);
        Ok(())
    }

    /// A dead letter is put away. The event stays failed for good.
    pub fn discard(&mut self, seq: Seq) -> Result<(), NotDone> {
        let letter = self.tracker.take_letter(seq)?;
        self.tracker.notices.push_back(Notice::Discarded { seq, id: letter.id });
        Ok(())
    }
}

impl Tracker {
    /// Whether it is in its second life: outside of the position's account.
    pub(super) fn is_requeued(&self, seq: Seq) -> bool {
        // Most are asked about before they are sent: beyond all that is open.
        let is_within = self.open.last_key_value().is_some_and(|(last, _)| seq <= *last);
        is_within && self.open.get(&seq).is_some_and(Record::is_requeued)
    }

    /// Those in their second life that are sent and unsettled.
    pub(super) fn requeued_unsettled(&self) -> impl Iterator<Item = Seq> {
        let open = self.open.iter().filter(|(_, record)| record.is_requeued());
        open.filter(|(_, record)| matches!(record.phase, Phase::Unsettled { .. })).map(|(seq, _)| *seq)
    }

    /// What was sent before this was read from what was saved, and is not settled, has its record again.
    fn recall(&mut self, now: Instant, event: &Event) {
        if let Some(single) = SeqRange::single(event.seq).filter(|_| self.awaited.contains(event.seq)) {
            self.awaited.remove(single);
            let record = Record::new(now, event.id.clone(), event.priority, Terms::of(event));
            self.open.entry(event.seq).or_insert(record);
        }
    }

    fn requeue(&mut self, now: Instant, event: &Event) -> Result<(), NotDone> {
        if self.open.values().filter(|record| record.is_requeued()).count() >= MAX_REQUEUED {
            return Err(NotDone::TooMany);
        }
        let letter = self.take_letter(event.seq)?;
        let single = SeqRange::single(event.seq).ok_or(NotDone::NoDeadLetter)?;
        self.dead.remove(single);
        self.untold.remove(single);
        let (attempt, failures) = (letter.attempt.max(1), letter.failures);
        let phase = Phase::Waiting { timed_out: false, retry_at: now };
        let record = Record::new(now, letter.id, letter.priority, Terms::of(event));
        self.open.insert(event.seq, Record { attempt, spent: attempt, phase, failures, ..record });
        self.counters.requeued += 1;
        Ok(())
    }

    fn take_letter(&mut self, seq: Seq) -> Result<super::DeadLetter, NotDone> {
        let index = self.dead_letters.iter().position(|letter| letter.seq == seq);
        let letter = index.and_then(|index| self.dead_letters.remove(index)).ok_or(NotDone::NoDeadLetter)?;
        self.dirty = true;
        Ok(letter)
    }

    /// Somebody else than the connection has said that it is applied.
    fn vouch(&mut self, single: SeqRange) {
        self.dirty = true;
        self.vouched.insert(single);
        while self.vouched.len() > MAX_EXCEPTIONS {
            let Some(oldest) = self.vouched.iter().next() else { return };
            self.vouched.remove(oldest);
        }
    }
}
