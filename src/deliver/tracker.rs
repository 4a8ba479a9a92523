//! What has become of each event of a stream for one consumer.

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::ops::Bound;

use super::due::Due;
use super::record::{DeadLetter, Delivery, Failure, Phase, Record, State, Terms};
use super::retrying::Verdict;
use super::{Config, Counters, Head, Notice, Reported};
use crate::base::{Instant, RangeSet, Rng};
use crate::wire::{Epoch, Event, EventId, Filter, Seq, SeqRange, Window};

/// How many confirmations are remembered with their times.
pub const MAX_RECENT: usize = 1024;
/// How many dead letters of a consumer are kept; the oldest go first.
pub const MAX_DEAD_LETTERS: usize = 100;
/// Most separate ranges of dead and of skipped events that are told apart. Beyond it the two oldest become one, with
/// what lies between them: no event is thereby called confirmed that was not.
pub const MAX_EXCEPTIONS: usize = 1024;

/// Most separate ranges of settled events. What is sent and unsettled lies between them, and the largest window
/// ([`Window::MAX_EVENTS`]) keeps an honest client below it. Beyond it an ack that would
/// make another range is not taken note of: those events are sent, and confirmed, later.
pub const MAX_SETTLED: usize = 16_384;

/// While so many events are unsettled, a confirmed one that is sent again and fails stays confirmed, and its page is told
/// to go on without it: a client that comes back before what it has confirmed, further each time, would leave another
/// window of them behind each time. Twice the largest window, so that an honest client never gets there: one that runs,
/// and one that is replayed.
pub const MAX_REOPENED: usize = 2 * Window::MAX_EVENTS as usize;

/// One (stream, consumer): durable, by way of [`Saved`](super::Saved).
///
/// Settled events cost ranges; only what is sent and unsettled has a record.
///
/// Invariants: no record's seq lies in `settled`, but for requeued ones, which are outside of the position's account
/// [AW-SEND-9]; what is skipped or dead and has no record lies in `settled`; while a
/// connection is attached `due` holds the due time of every record whose time has not come yet.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(super) epoch: Epoch,
    /// The end of what was sent, claimed or passed over in this epoch, by any connection.
    pub(super) sent_upto: Seq,
    pub(super) settled: RangeSet,
    pub(super) skipped: RangeSet,
    pub(super) dead: RangeSet,
    /// Settled by our own word, which no ack and no position of the consumer covers yet: it may not have come to it. Until
    /// then a resume begins before it and says so again [AW-SEND-8].
    pub(super) untold: RangeSet,
    /// Confirmed by somebody else than the consumer's connection, which therefore may still hold it as unsettled: not
    /// sent again when it comes back. Beyond [`MAX_EXCEPTIONS`] the oldest go.
    pub(super) vouched: RangeSet,
    pub(super) open: BTreeMap<Seq, Record>,
    /// Sent once before this was read from what was saved, and not settled: they have no record until they are sent again.
    pub(super) awaited: RangeSet,
    pub(super) due: Due,
    /// Of the last subscription: tells what was passed over by the consumer's wish from what it applied.
    pub(super) filter: Option<Filter>,
    pub(super) recent: VecDeque<Confirmation>,
    pub(super) dead_letters: VecDeque<DeadLetter>,
    pub(super) reported: Reported,
    pub(super) counters: Counters,
    pub(super) notices: VecDeque<Notice>,
    pub(super) dirty: bool,
    /// How often something was decided that the client is told and that it passes over for good.
    pub(super) vows: u64,
    /// How many of them are durable.
    pub(super) vows_kept: u64,
}

/// A confirmation with its times.
#[derive(Clone, Debug)]
pub(super) struct Confirmation {
    pub(super) seq: Seq,
    id: EventId,
    attempt: u32,
    sent_at: Instant,
    confirmed_at: Instant,
    /// What went wrong before, oldest first.
    failures: VecDeque<Failure>,
}

impl Tracker {
    /// A consumer that has confirmed nothing.
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            sent_upto: Seq::ZERO,
            settled: RangeSet::new(),
            skipped: RangeSet::new(),
            dead: RangeSet::new(),
            untold: RangeSet::new(),
            vouched: RangeSet::new(),
            open: BTreeMap::new(),
            awaited: RangeSet::new(),
            due: Due::new(),
            filter: None,
            recent: VecDeque::new(),
            dead_letters: VecDeque::new(),
            reported: Reported::default(),
            counters: Counters::default(),
            notices: VecDeque::new(),
            dirty: false,
            vows: 0,
            vows_kept: 0,
        }
    }

    /// The log's incarnation that all this is about.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Up to here everything is settled.
    pub fn position(&self) -> Seq {
        self.settled.contiguous_from(Seq::ZERO)
    }

    /// Up to here the consumer knows it, too: where `from: "resume"` begins.
    pub(super) fn known_position(&self) -> Seq {
        self.untold.iter().next().map_or(self.position(), |first| self.position().min(first.after()))
    }

    /// The end of what was ever sent, claimed or passed over.
    pub fn sent_upto(&self) -> Seq {
        self.sent_upto
    }

    /// How far the consumer says it has come, over its connection or, once that is gone, over the last one.
    pub fn reported(&self) -> Reported {
        self.reported
    }

    /// How many events are sent and unsettled.
    pub fn unsettled(&self) -> usize {
        self.open.len() + usize::try_from(self.awaited.count()).unwrap_or(usize::MAX)
    }

    /// Where what is not settled lies, up to `head`, ascending: sent or not, and what the filter excludes.
    pub fn unsettled_ranges(&self, head: Seq) -> impl Iterator<Item = SeqRange> {
        let mut settled = self.settled.clone();
        let requeued = self.open.iter().filter(|(_, record)| record.is_requeued());
        requeued.filter_map(|(seq, _)| SeqRange::single(*seq)).for_each(|single| settled.remove(single));
        let all: Vec<SeqRange> = SeqRange::new(Seq::ZERO, head)
            .into_iter()
            .flat_map(|all| settled.missing(all).collect::<Vec<_>>())
            .collect();
        all.into_iter()
    }

    /// How many entries its memory is made of: ranges, unsettled events, due times, remembered confirmations, dead
    /// letters. Each is of bounded size.
    pub fn footprint(&self) -> usize {
        let ranges = [&self.settled, &self.skipped, &self.dead, &self.untold, &self.vouched, &self.awaited];
        let ranges = ranges.map(RangeSet::len);
        let others = [self.open.len(), self.due.len(), self.recent.len(), self.dead_letters.len()];
        ranges.iter().chain(&others).sum()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What failed for good, oldest first, at most [`MAX_DEAD_LETTERS`].
    pub fn dead_letters(&self) -> impl ExactSizeIterator<Item = &DeadLetter> {
        self.dead_letters.iter()
    }

    /// What became of an event of this stream. It costs a search of the last [`MAX_RECENT`] confirmations.
    pub fn delivery(&self, event: &Event) -> Delivery {
        let seq = event.seq;
        let unwanted = || self.filter.as_ref().is_some_and(|filter| !filter.accepts(&event.event_type, &event.meta));
        if let Some(record) = self.open.get(&seq) {
            return Delivery::of(record);
        }
        if self.dead.contains(seq) {
            let Some(letter) = self.dead_letters.iter().rev().find(|letter| letter.seq == seq) else {
                return Delivery::bare(State::Dead, 1);
            };
            let failures = letter.failures.iter().cloned().collect();
            let settled_at = Some(Instant::from_millis(letter.at));
            return Delivery { since: settled_at, settled_at, failures, ..Delivery::bare(State::Dead, letter.attempt) };
        }
        if let Some(known) = self.recent.iter().rev().find(|confirmation| confirmation.seq == seq) {
            let (sent_at, settled_at) = (Some(known.sent_at), Some(known.confirmed_at));
            let latency = Some(known.confirmed_at - known.sent_at);
            let failures = known.failures.iter().cloned().collect();
            return Delivery {
                sent_at,
                since: settled_at,
                settled_at,
                latency,
                failures,
                ..Delivery::bare(State::Confirmed, known.attempt)
            };
        }
        if self.skipped.contains(seq) || unwanted() {
            return Delivery::bare(State::Skipped, 0);
        }
        match () {
            () if self.settled.contains(seq) => Delivery::bare(State::Confirmed, 1),
            () if seq <= self.sent_upto => Delivery::bare(State::Sent, 1),
            () => Delivery::bare(State::Pending, 0),
        }
    }

    /// Everything begins anew with another log.
    pub(super) fn restart(&mut self, epoch: Epoch) {
        let (counters, notices) = (std::mem::take(&mut self.counters), std::mem::take(&mut self.notices));
        // Nothing of what was vowed is left to keep, but a save that is under way must not pass for one of what follows.
        let (vows, vows_kept) = (self.vows, self.vows);
        *self = Self { counters, notices, vows, vows_kept, dirty: true, ..Self::new(epoch) };
    }

    /// The log ends before what this consumer has settled: what lies beyond the head is void.
    pub(super) fn truncate(&mut self, head: Seq) {
        let Some(beyond) = SeqRange::new(head, Seq::MAX) else { return };
        self.take_open(beyond, |_| true).for_each(drop);
        let sets = [&mut self.settled, &mut self.skipped, &mut self.dead, &mut self.untold, &mut self.vouched];
        for set in sets.into_iter().chain([&mut self.awaited]) {
            set.remove(beyond);
        }
        // The log will give these seqs to other events.
        self.recent.retain(|confirmation| confirmation.seq <= head);
        self.dead_letters.retain(|letter| letter.seq <= head);
        self.sent_upto = self.sent_upto.min(head);
        self.dirty = true;
    }

    /// An event goes out. Returns its attempt: the next one if its retry is due, else the one that it had [AW-SEND-8].
    /// The deadline starts anew. What is settled and goes out again (a replay) stays settled.
    pub(super) fn send(&mut self, now: Instant, event: &Head, config: &Config) -> u32 {
        let seq = event.seq;
        if self.settled.contains(seq) && !self.is_requeued(seq) {
            return 1;
        }
        self.dirty = true;
        self.sent_upto = self.sent_upto.max(seq);
        let was_sent = self.awaited.contains(seq);
        SeqRange::single(seq).into_iter().for_each(|single| self.awaited.remove(single));
        let record = match self.open.entry(seq) {
            btree_map::Entry::Occupied(open) => open.into_mut(),
            btree_map::Entry::Vacant(place) => {
                let mut record = Record::new(now, event.id.clone(), event.priority, Terms::of_head(event));
                let deadline = now + record.terms.deadline(config);
                record.phase = Phase::Unsettled { deadline: Some(deadline) };
                place.insert(record);
                self.due.insert(deadline, seq);
                self.counters.sent += u64::from(!was_sent);
                return 1;
            }
        };
        if let Phase::Waiting { retry_at, .. } = record.phase {
            if retry_at > now {
                return record.attempt;
            }
            record.attempt = record.attempt.saturating_add(1);
            self.counters.retries += 1;
            self.notices.push_back(Notice::Retrying { seq, id: record.id.clone(), attempt: record.attempt });
        }
        let (attempt, deadline) = (record.attempt, record.terms.deadline(config));
        self.set_phase(now, seq, Phase::Unsettled { deadline: Some(now + deadline) });
        attempt
    }

    /// The shell was asked to send it again, with this attempt. With a `failure` it did not, which counts as the attempt's
    /// end. An attempt that the consumer has spoken of before is nothing new.
    pub(super) fn retried(
        &mut self,
        now: Instant,
        (seq, attempt): (Seq, u32),
        failure: Option<&str>,
        config: &Config,
        rng: &mut Rng,
    ) -> Verdict {
        let Some(record) = self.open.get_mut(&seq) else { return Verdict::Ignored };
        let Phase::Waiting { .. } = record.phase else { return Verdict::Ignored };
        if attempt <= record.attempt {
            return Verdict::Ignored;
        }
        record.attempt = attempt;
        self.dirty = true;
        let Some(failure) = failure else {
            self.counters.retries += 1;
            self.notices.push_back(Notice::Retrying { seq, id: record.id.clone(), attempt: record.attempt });
            let deadline = record.terms.deadline(config);
            self.set_phase(now, seq, Phase::Unsettled { deadline: Some(now + deadline) });
            return Verdict::Waiting;
        };
        record.note_failure(now, failure, false);
        self.retry_or_bury(now, seq, false, true, config, rng)
    }

    /// An event goes out once more because its frame was lost: the same attempt, and the deadline starts anew.
    pub(super) fn resend(&mut self, now: Instant, seq: Seq, config: &Config) -> u32 {
        let Some(record) = self.open.get(&seq) else { return 1 };
        let (attempt, deadline) = (record.attempt, record.terms.deadline(config));
        if let Phase::Unsettled { .. } = record.phase {
            self.set_phase(now, seq, Phase::Unsettled { deadline: Some(now + deadline) });
        }
        attempt
    }

    /// Whether it failed for good.
    pub(super) fn is_dead(&self, seq: Seq) -> bool {
        self.dead.contains(seq) && self.settled.contains(seq)
    }

    /// Whether it was passed over, or the log has lost it, and nothing is done about it any more.
    pub(super) fn is_gone(&self, seq: Seq) -> bool {
        self.skipped.contains(seq) && self.settled.contains(seq) && !self.open.contains_key(&seq)
    }

    /// Everything in the range that was sent is applied. Idempotent.
    pub(super) fn confirm(&mut self, now: Instant, range: SeqRange) {
        for (seq, record) in self.take_open(range, |record| !record.is_requeued()) {
            let late = record.is_late();
            self.note_confirmed(now, seq, record, late);
        }
        self.untold.remove(range);
        self.settle(range);
    }

    /// A position passes these: of dead events that another page of this consumer has replayed, as ones that failed for
    /// good. They are dead again.
    pub(super) fn bury_replayed(&mut self, range: SeqRange) {
        let dead: Vec<SeqRange> = self.dead.iter().filter_map(|dead| dead.intersection(range)).collect();
        for dead in dead {
            self.take_open(dead, |record| !record.is_requeued()).for_each(drop);
        }
    }

    /// A dead event was sent once more and is applied after all.
    pub(super) fn confirm_dead(&mut self, now: Instant, seq: Seq) {
        let Some(letter) = self.dead_letters.iter().position(|letter| letter.seq == seq) else { return };
        let Some((letter, single)) = self.dead_letters.remove(letter).zip(SeqRange::single(seq)) else { return };
        self.dead.remove(single);
        let record =
            Record { attempt: letter.attempt, ..Record::new(now, letter.id, letter.priority, Terms::default()) };
        self.note_confirmed(now, seq, record, true);
        self.dirty = true;
    }

    /// Nothing in `(after, upto]` is wanted, or nothing is there: the consumer need not apply it.
    pub(super) fn cover_up(&mut self, after: Seq, upto: Seq) {
        if let Some(range) = SeqRange::new(after, upto) {
            self.take_open(range, |record| !record.is_requeued()).for_each(drop);
            self.settle(range);
        }
    }

    /// What is unsettled in the range will not be sent: passed over, or no longer in the log.
    pub(super) fn skip(&mut self, range: SeqRange) {
        for hole in self.settled.missing(range).collect::<Vec<_>>() {
            self.skipped.insert(hole);
        }
        for (seq, _) in self.take_open(range, Record::is_requeued) {
            SeqRange::single(seq).into_iter().for_each(|single| self.skipped.insert(single));
        }
        bound(&mut self.skipped);
        self.cover_up(range.after(), range.upto());
    }

    /// What is unsettled in the range is settled by our word alone, and the consumer is told of it.
    pub(super) fn lose(&mut self, range: SeqRange) {
        for hole in self.settled.missing(range).collect::<Vec<_>>() {
            self.untold.insert(hole);
        }
        bound(&mut self.untold);
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        if self.open.range(within).next().is_some() {
            // The client's position will pass it: forgotten, it would count as confirmed [AW-SUB-1].
            self.vows += 1;
        }
        self.skip(range);
    }

    /// Whether there is no room for this range.
    pub(super) fn is_crowded(&self, range: SeqRange) -> bool {
        self.settled.len() >= MAX_SETTLED && range.after() > self.position()
    }

    /// Whether a confirmed event may be unsettled again.
    pub(super) fn may_reopen(&self) -> bool {
        self.open.len() < MAX_REOPENED
    }

    /// The unsettled event with this id, or one that was confirmed lately (`None` for its attempt) [AW-ACK-7].
    pub(super) fn find(&self, id: &EventId) -> Option<(Seq, Option<u32>)> {
        let open = self.open.iter().find(|(_, record)| record.id == *id);
        open.map(|(seq, record)| (*seq, Some(record.attempt))).or_else(|| {
            self.recent.iter().rev().find(|confirmation| confirmation.id == *id).map(|known| (known.seq, None))
        })
    }

    pub(super) fn note_confirmed(&mut self, now: Instant, seq: Seq, record: Record, late: bool) {
        let Record { id, priority, attempt, sent_at, failures, .. } = record;
        SeqRange::single(seq).into_iter().for_each(|single| self.untold.remove(single));
        self.counters.confirmed += 1;
        self.counters.late += u64::from(late);
        self.counters.recovered += u64::from(attempt > 1);
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Confirmation { seq, id: id.clone(), attempt, sent_at, confirmed_at: now, failures });
        self.notices.push_back(Notice::Confirmed { seq, id, priority, attempt, latency: now - sent_at, late });
    }

    pub(super) fn settle(&mut self, range: SeqRange) {
        self.settled.insert(range);
        self.awaited.remove(range);
        self.sent_upto = self.sent_upto.max(range.upto());
        self.dirty = true;
    }

    /// Takes those records of a range out that are `wanted`, with their due times.
    pub(super) fn take_open(
        &mut self,
        range: SeqRange,
        wanted: impl Fn(&Record) -> bool,
    ) -> std::vec::IntoIter<(Seq, Record)> {
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        let taken: Vec<(Seq, Record)> = self.open.extract_if(within, |_, record| wanted(record)).collect();
        let are_one = |(seq, record): &(Seq, Record), (next, other): &(Seq, Record)| {
            record.due() == other.due() && seq.next() == Some(*next)
        };
        for run in taken.chunk_by(are_one) {
            if let [(first, record), ..] = run
                && let (Some(at), Some((last, _))) = (record.due(), run.last())
            {
                SeqRange::new(first.before(), *last).into_iter().for_each(|range| self.due.remove(at, range));
            }
        }
        if self.open.is_empty() {
            // An empty map keeps room for eleven.
            self.open = BTreeMap::new();
        }
        taken.into_iter()
    }

    pub(super) fn set_phase(&mut self, now: Instant, seq: Seq, phase: Phase) {
        let Some(record) = self.open.get_mut(&seq) else { return };
        if let (Some(at), Some(single)) = (record.due(), SeqRange::single(seq)) {
            self.due.remove(at, single);
        }
        let state = record.state();
        record.phase = phase;
        // A higher attempt was noted before: `Retrying` after `Sent` or `Retrying` takes a failure in between.
        if record.state() != state {
            record.since = now;
        }
        if let Some(at) = record.due() {
            self.due.insert(at, seq);
        }
    }
}

/// Keeps a set of exceptions within [`MAX_EXCEPTIONS`].
pub(super) fn bound(set: &mut RangeSet) {
    while set.len() > MAX_EXCEPTIONS {
        let oldest: Vec<SeqRange> = set.iter().take(2).collect();
        let [first, second] = oldest[..] else { return };
        SeqRange::new(first.after(), second.upto()).into_iter().for_each(|both| set.insert(both));
    }
}

#[cfg(test)]
mod model;
