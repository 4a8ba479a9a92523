//! The flow of one subscription on one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::record::Terms;
use super::{Config, Entry, Tail};
use crate::base::{Duration, Instant, RangeSet};
use crate::wire::{EventId, Filter, Priority, Seq, SeqRange, Window};

/// Most ranges of `resend` that wait for their turn; a client that asks for more asks again.
pub const MAX_RESENDS: usize = 256;

/// A confirmation within this time of its event's sending says that the client can take more.
const PROMPT: Duration = Duration::from_secs(1);

/// What an attached connection has been sent, and what it may still be sent.
///
/// Invariants: `sent_upto ≤ read_upto`; every seq in `outstanding` is at most `sent_upto`, and those in `retries` that are not requeued;
/// `outstanding_bytes` is the sum over `outstanding`, `repeats` has every `repeat_due` there.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub window: Window,
    /// How much of the window is used by now, in events [AW-SEND-3].
    allowance: u32,
    /// Most events and bytes of a frame: as configured at first, then up to a quarter of the window that is used [AW-SEND-5].
    pub frame: (u32, u32),
    pub filter: Option<Filter>,
    pub tail: Tail,
    /// The feed began after this.
    pub start: Seq,
    /// The head when the feed began: up to it, events are history.
    pub replayed_upto: Seq,
    /// Up to here this client may truly have been sent events in an earlier life of the server, which a crash may have
    /// made the server forget: its ack of them is no violation.
    pub claimable: Seq,
    /// `from: "start"` asks for everything again, dead events included.
    pub replay: bool,
    /// Applied already: covered, not sent.
    pub skip: RangeSet,
    /// Applied as somebody else has said, and not as the client said when it came back: its page may still be at it.
    pub doubtful: RangeSet,
    /// Frames have covered everything up to here: the next one chains to it.
    pub sent_upto: Seq,
    /// The end of the last frame that covers more than what it lists.
    pub covered_upto: Seq,
    /// The end of what acks of this connection have named.
    pub acked_upto: Seq,
    /// The log was read up to here; what lies between is covered by the next frame.
    pub read_upto: Seq,
    /// Sent on this subscription and not settled on it [AW-SEND-3].
    pub outstanding: BTreeMap<Seq, Outstanding>,
    outstanding_bytes: u64,
    /// When repeats of settled events are due; what is unsettled has its deadline in the tracker.
    repeats: BTreeSet<(Instant, Seq)>,
    /// The next event did not fit into the window.
    pub blocked: bool,
    /// Asked for again.
    pub resends: RangeSet,
    /// Due to be sent with a higher attempt.
    pub retries: BTreeSet<Seq>,
    /// Due to be sent with a higher attempt by the shell, by the attempt that failed.
    pub asks: BTreeMap<Seq, u32>,
    pub reading: Option<Reading>,
    pub read_failures: u32,
    pub ended_sent: bool,
    pub marks: u32,
    pub timers: Timers,
}

/// Each runs while it is `Some`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers {
    /// The feed has been silent while something is unsettled [AW-SEND-7].
    pub mark: Option<Instant>,
    /// A frame that lists nothing has waited long enough for an event.
    pub cover: Option<Instant>,
    /// The log is read again after a failure.
    pub read: Option<Instant>,
    /// What the client was told to be lost, and has not acked, is said again.
    pub lost: Option<Instant>,
    /// The client has had long enough for what is doubtful.
    pub doubt: Option<Instant>,
}

/// What is remembered of an event on its way, enough to reopen it.
#[derive(Clone, Debug)]
pub(super) struct Outstanding {
    pub id: EventId,
    pub priority: Priority,
    pub terms: Terms,
    bytes: u32,
    sent_at: Instant,
    /// Somebody else than the page has said that it is applied.
    pub is_vouched: bool,
    /// As in `repeats`.
    repeat_due: Option<Instant>,
}

/// A read that was asked for and is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub id: u64,
    pub purpose: Purpose,
    pub range: SeqRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Resend,
    Retry,
    Live,
}

impl Link {
    pub fn new(start: Seq, tail: Tail, window: Window, filter: Option<Filter>, config: &Config) -> Self {
        let mut link = Self {
            window,
            allowance: 0,
            frame: (0, 0),
            filter,
            replayed_upto: tail.head,
            tail,
            start,
            claimable: Seq::ZERO,
            replay: false,
            skip: RangeSet::new(),
            doubtful: RangeSet::new(),
            sent_upto: start,
            covered_upto: start,
            acked_upto: start,
            read_upto: start,
            outstanding: BTreeMap::new(),
            outstanding_bytes: 0,
            repeats: BTreeSet::new(),
            blocked: false,
            resends: RangeSet::new(),
            retries: BTreeSet::new(),
            asks: BTreeMap::new(),
            reading: None,
            read_failures: 0,
            ended_sent: false,
            marks: 0,
            timers: Timers::default(),
        };
        link.allow(config.first_allowance, config);
        link
    }

    /// What to read next: gaps first, then retries, then what was never sent.
    pub fn next_read(&mut self, config: &Config) -> Option<(Purpose, SeqRange)> {
        let asked = self.resends.iter().next();
        if let Some(range) = asked {
            self.resends.remove(range);
            return Some((Purpose::Resend, range));
        }
        // A requeued event may lie where this feed has not been yet.
        if let Some(&first) = self.retries.first().filter(|seq| **seq <= self.sent_upto) {
            let most = config.frame_events.max(1) as usize;
            let upto = self.sent_upto;
            let run = self
                .retries
                .iter()
                .take_while(|seq| **seq <= upto)
                .zip(first.get()..)
                .take(most)
                .take_while(|(seq, next)| seq.get() == *next);
            let last = run.map(|(seq, _)| *seq).last().unwrap_or(first);
            return SeqRange::new(first.before(), last).map(|range| (Purpose::Retry, range));
        }
        if self.blocked || self.room().is_none() {
            return None;
        }
        SeqRange::new(self.read_upto, self.tail.head).map(|range| (Purpose::Live, range))
    }

    /// How many events and bytes the window still takes; `None` if it is full.
    pub fn room(&self) -> Option<(u32, u32)> {
        let events = u64::from(self.window.events.min(self.allowance)).saturating_sub(self.outstanding.len() as u64);
        let bytes = u64::from(self.window.bytes).saturating_sub(self.outstanding_bytes);
        (events > 0 && bytes > 0).then_some((events as u32, bytes as u32))
    }

    pub fn outstanding_bytes(&self) -> u64 {
        self.outstanding_bytes
    }

    /// Whether this event may go out now; one event is always allowed.
    pub fn fits(&self, entry: &Entry) -> bool {
        self.outstanding.is_empty() || self.room().is_some_and(|(_, bytes)| entry.bytes() <= bytes as usize)
    }

    pub fn accepts(&self, entry: &Entry) -> bool {
        let event = entry.head();
        self.filter.as_ref().is_none_or(|filter| filter.accepts(&event.event_type, &event.meta))
    }

    /// An event is on its way: its first, or a repeat of a settled one that is due then.
    pub fn take_out(&mut self, now: Instant, entry: &Entry, repeat_due: Option<Instant>) {
        let event = entry.head();
        let bytes = u32::try_from(entry.bytes()).unwrap_or(u32::MAX);
        let (id, priority, terms) = (event.id.clone(), event.priority, Terms::of_head(event));
        let sent = Outstanding { id, priority, terms, bytes, sent_at: now, is_vouched: false, repeat_due };
        self.outstanding_bytes += u64::from(bytes);
        let before = self.outstanding.insert(event.seq, sent);
        debug_assert!(before.is_none(), "it is beyond what was sent on this link");
        self.repeats.extend(repeat_due.map(|due| (due, event.seq)));
    }

    /// Somebody else has said that an event on its way is applied: the page has until then to be done with it.
    pub fn vouch(&mut self, seq: Seq, due: Instant) {
        let Some(sent) = self.outstanding.get_mut(&seq) else { return };
        sent.is_vouched = true;
        let before = sent.repeat_due.replace(due);
        if let Some(before) = before {
            self.repeats.remove(&(before, seq));
        }
        self.repeats.insert((due, seq));
    }

    /// When the first repeat is due.
    pub fn repeat_due(&self) -> Option<Instant> {
        self.repeats.first().map(|(due, _)| *due)
    }

    /// Takes the first repeat whose deadline has passed.
    pub fn take_overdue(&mut self, now: Instant) -> Option<(Seq, Outstanding)> {
        self.repeats.first().filter(|(due, _)| *due <= now)?;
        let (_, seq) = self.repeats.pop_first()?;
        self.take_repeat(seq).map(|sent| (seq, sent))
    }

    /// What is on its way, without a deadline of its own: from now on the tracker has it.
    pub fn take_repeat(&mut self, seq: Seq) -> Option<Outstanding> {
        let sent = self.outstanding.get_mut(&seq)?;
        if let Some(due) = sent.repeat_due.take() {
            self.repeats.remove(&(due, seq));
        }
        Some(sent.clone())
    }

    /// The client has confirmed what lies in the range: more of the window is used if it did so promptly, and no more than
    /// at first if it did not.
    pub fn widen(&mut self, now: Instant, range: SeqRange, config: &Config) {
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        let mut confirmed = self.outstanding.range(within).map(|(_, sent)| sent.sent_at);
        let Some(oldest) = confirmed.next() else { return };
        let allowance = if oldest + PROMPT < now {
            config.first_allowance
        } else {
            let grown = self.allowance.saturating_add(1 + confirmed.count() as u32);
            grown.min(self.window.events.max(config.first_allowance))
        };
        self.allow(allowance, config);
    }

    /// From now on so much of the window is used, and frames are as large as that lets them be.
    fn allow(&mut self, allowance: u32, config: &Config) {
        self.allowance = allowance;
        let used = u64::from(self.window.events.min(allowance));
        let used_bytes = u64::from(self.window.bytes) * used / u64::from(self.window.events.max(1));
        let grown = |least: u32, used: u64| {
            let most = least.saturating_mul(config.frame_growth.max(1));
            u32::try_from(used / 4).unwrap_or(u32::MAX).clamp(least, most)
        };
        self.frame = (grown(config.frame_events, used), grown(config.frame_bytes, used_bytes));
    }

    /// What lies in the range is settled: the window opens.
    pub fn release(&mut self, range: SeqRange) {
        self.doubtful.remove(range);
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        for (seq, sent) in self.outstanding.extract_if(within, |_, _| true) {
            self.outstanding_bytes -= u64::from(sent.bytes);
            if let Some(due) = sent.repeat_due {
                self.repeats.remove(&(due, seq));
            }
            if !self.retries.is_empty() {
                self.retries.remove(&seq);
            }
            self.blocked = false;
        }
        if self.outstanding.is_empty() {
            // An empty map keeps room for eleven.
            (self.outstanding, self.repeats) = (BTreeMap::new(), BTreeSet::new());
        }
        self.rest();
    }

    /// The client has acked as far as `upto`, and accounts for everything up to `settled`: it asks for nothing there.
    pub fn acked(&mut self, settled: Seq, upto: Seq) {
        self.acked_upto = self.acked_upto.max(upto);
        SeqRange::new(Seq::ZERO, settled.min(self.sent_upto)).into_iter().for_each(|range| self.skip.remove(range));
        self.rest();
    }

    /// The page has it from its second life: to be covered, not to be sent again.
    pub fn pass_over(&mut self, requeued: SeqRange) {
        self.skip.insert(requeued);
    }

    /// Whether the client has yet to say something to what it was sent.
    fn is_awaiting(&self) -> bool {
        !self.outstanding.is_empty() || self.covered_upto > self.acked_upto
    }

    /// With nothing awaited there is nothing to remind of.
    fn rest(&mut self) {
        if !self.is_awaiting() {
            self.timers.mark = None;
        }
    }

    /// Something went out: the silence begins anew.
    pub fn spoke(&mut self, now: Instant, config: &Config) {
        self.marks = 0;
        self.timers.mark = self.is_awaiting().then(|| now + config.mark.ceiling(0));
    }
}
