//! One stream, sent to one consumer.

use std::{collections::VecDeque, sync::Arc};

use super::link::{Link, Purpose, Reading, Timers};
use super::queue::take_next;
use super::record::{Phase, Record};
use super::retrying::{Due, Verdict};
use super::{Config, Entry, Notice, Tracker};
use crate::base::{Instant, Rng};
use crate::wire::{Epoch, LostRange, LostReason, Seq, SeqRange, ServerFrame, StreamName, encode_events, encode_server};

/// So many frames of a backlog are read at once: a read takes as long as several frames take to be sent.
const PAGE_FRAMES: u32 = 4;

/// Where a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The least seq that the log may still hold; one more than the head if it holds none.
    pub oldest: Seq,
    /// The seq of the newest event ever appended, 0 before the first.
    pub head: Seq,
    /// Whether the stream takes no more events.
    pub ended: bool,
}

/// A wish to read the log. Answer it with [`Feed::handle_page`] or [`Feed::handle_read_failed`], sooner or later: the
/// feed waits for it. After a new `attach` the answer is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Names the request.
    pub id: u64,
    /// What to read.
    pub range: SeqRange,
    /// Most events.
    pub max_events: u32,
    /// Most bytes of events in their wire form; one event is always allowed.
    pub max_bytes: u32,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Page {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The events, ascending.
    pub entries: Vec<Arc<Entry>>,
    /// Of the events up to this, those that are not listed are not in the log.
    pub upto: Seq,
    /// The least seq that the log may still hold.
    pub oldest: Seq,
    /// What was in the log from `oldest` up to `upto`, and was taken out: ascending, disjoint, without listed events. A log
    /// that is only ever trimmed from its beginning has none.
    pub compacted: Vec<SeqRange>,
}

/// An `events` frame before it is text. It covers `(after, upto]`; with `after = upto` and no entries it is a mark.
#[derive(Clone, Debug)]
pub struct EventsOut {
    /// Exclusive start.
    pub after: Seq,
    /// Inclusive end.
    pub upto: Seq,
    /// The events, ascending, each with its attempt.
    pub entries: Vec<(Arc<Entry>, u32)>,
    /// Whether this is a dead letter in its second life: the frame continues nothing [AW-SEND-9].
    pub requeued: bool,
}

impl EventsOut {
    /// Lists nothing.
    fn covering(after: Seq, upto: Seq) -> Self {
        Self { after, upto, entries: Vec::new(), requeued: false }
    }
}

/// Something for the connection, in this order.
#[derive(Clone, Debug)]
pub enum FeedFrame {
    /// Any frame but `events`.
    Control(ServerFrame),
    /// Events.
    Events(EventsOut),
}

impl FeedFrame {
    /// The frame as text.
    pub fn encode(&self, stream: &StreamName) -> String {
        match self {
            Self::Control(frame) => encode_server(frame),
            Self::Events(EventsOut { after, upto, entries, requeued }) => {
                let events = entries.iter().map(|(entry, attempt)| (entry.json(), *attempt));
                encode_events(stream, *after, *upto, *requeued, events)
            }
        }
    }
}

/// Sends one stream to one consumer, and tracks what becomes of it [section 7 of `PROTOCOL.md`].
///
/// Inputs: [`attach`](Self::attach), [`detach`](Self::detach), and the `handle_…` methods. Outputs, to be drained after
/// each input: [`poll_save`](Self::poll_save), [`poll_transmit`](Self::poll_transmit), then [`poll_read`](Self::poll_read) (it asks for no more while
/// frames wait, so that a slow connection slows its reading), [`poll_notice`](Self::poll_notice),
/// [`take_dirty`](Self::take_dirty), and last [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, Debug)]
pub struct Feed {
    pub(super) stream: StreamName,
    pub(super) config: Config,
    pub(super) rng: Rng,
    pub(super) tracker: Tracker,
    pub(super) link: Option<Link>,
    pub(super) frames: VecDeque<FeedFrame>,
    reads: u64,
    /// The save that was asked for and is not answered yet.
    pub(super) saving: Option<u64>,
}

impl Feed {
    /// A feed without a connection. The seed is for the jitter of retries.
    pub fn new(stream: StreamName, tracker: Tracker, config: Config, seed: u64) -> Self {
        Self {
            stream,
            config,
            rng: Rng::new(seed),
            tracker,
            link: None,
            frames: VecDeque::new(),
            reads: 0,
            saving: None,
        }
    }

    /// Which stream.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// What became of the events.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Whether a connection is attached.
    pub fn is_attached(&self) -> bool {
        self.link.is_some()
    }

    /// What frames have covered on the attached connection.
    pub fn sent_upto(&self) -> Option<Seq> {
        self.link.as_ref().map(|link| link.sent_upto)
    }

    /// How many events are sent on the attached connection and unsettled on it: at most its window.
    pub fn outstanding(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.outstanding.len())
    }

    /// How many bytes these take: at most its window, but for a single event.
    pub fn outstanding_bytes(&self) -> u64 {
        self.link.as_ref().map_or(0, Link::outstanding_bytes)
    }

    /// How many ranges wait to be sent again: at most [`MAX_RESENDS`](super::MAX_RESENDS), and one that is being read.
    pub fn resends(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.resends.len())
    }

    /// The connection is gone, or no longer wants the stream. No clock runs until the next `attach` [AW-SEND-2].
    pub fn detach(&mut self) {
        self.link = None;
        self.frames.clear();
        self.tracker.stop_clocks();
    }

    /// The answer to a `subscribe` that has not gone out yet, for a connection that goes on without this subscription, or
    /// with another one in its place: it is owed all the same [AW-SUB-3]. To be called before `detach` then. The client
    /// does not act on it, so it waits for no save.
    pub fn take_answers(&mut self) -> Vec<FeedFrame> {
        let frames = std::mem::take(&mut self.frames).into_iter();
        frames.filter(|frame| matches!(frame, FeedFrame::Control(ServerFrame::Subscribed(_)))).collect()
    }

    /// The log has moved: appended, ended, trimmed.
    pub fn handle_tail(&mut self, now: Instant, tail: Tail) {
        if self.has_other_epoch(&tail.epoch) {
            return;
        }
        if let Some(link) = &mut self.link {
            // Tails may be read concurrently and arrive out of order.
            link.tail.head = link.tail.head.max(tail.head);
            link.tail.oldest = link.tail.oldest.max(tail.oldest);
            link.tail.ended |= tail.ended;
        }
        self.settle_down(now);
    }

    /// The log could not be read.
    pub fn handle_read_failed(&mut self, now: Instant, id: u64) {
        let Some(link) = &mut self.link else { return };
        let Some(reading) = link.reading.take_if(|reading| reading.id == id) else { return };
        if reading.purpose == Purpose::Resend {
            link.resends.insert(reading.range);
        }
        let wait = self.config.read_backoff.delay(link.read_failures, &mut self.rng);
        link.read_failures = link.read_failures.saturating_add(1);
        link.timers.read = Some(now + wait);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        // A handler may hang on a repeat, too: then it is as unsettled as it would have been the first time.
        let mut hung = Vec::new();
        while let Some((seq, sent)) = link.take_overdue(now) {
            if sent.is_vouched || !self.tracker.may_reopen() {
                hung.push(seq);
                continue;
            }
            self.tracker.reopen(seq, Record::new(now, sent.id, sent.priority, sent.terms));
            self.tracker.set_phase(now, seq, Phase::Unsettled { deadline: Some(now) });
        }
        // It is applied, whatever the page's handler still does; the page is told to go on without it.
        hung.into_iter().for_each(|seq| self.give_up(now, seq));
        for due in self.tracker.handle_due(now, &self.config, &mut self.rng) {
            match (due, &mut self.link) {
                (Due::Retry(seq), Some(link)) if self.config.ask_for_retries && !self.tracker.is_requeued(seq) => {
                    link.asks.extend(self.tracker.open.get(&seq).map(|record| (seq, record.attempt)));
                }
                // What this connection has not been sent yet goes out in its turn, and with its new attempt.
                // What is requeued waits for its turn there.
                (Due::Retry(seq), Some(link)) if seq <= link.sent_upto || self.tracker.is_requeued(seq) => {
                    link.retries.insert(seq);
                }
                (Due::Retry(_), _) => {}
                (Due::Dead(seq), _) => self.give_up(now, seq),
            }
        }
        let Some(link) = &mut self.link else { return };
        let is_due = |timer: &mut Instant| *timer <= now;
        link.timers.read.take_if(is_due);
        if link.timers.doubt.take_if(is_due).is_some() {
            // As above, for a page that came back with it.
            for range in std::mem::take(&mut link.doubtful).iter().filter(|range| range.upto() <= link.sent_upto) {
                let range = LostRange { after: range.after(), upto: range.upto(), reason: LostReason::Failed };
                self.frames.push_back(FeedFrame::Control(ServerFrame::Lost { stream: self.stream.clone(), range }));
            }
        }
        if link.timers.cover.take_if(is_due).is_some() {
            self.cover(now);
        }
        if self.link.as_mut().is_some_and(|link| link.timers.lost.take_if(|due| *due <= now).is_some()) {
            self.repeat_lost(now);
        }
        let Some(link) = &mut self.link else { return };
        if link.timers.mark.take_if(is_due).is_some() {
            link.marks = link.marks.saturating_add(1);
            link.timers.mark = Some(now + self.config.mark.ceiling(link.marks));
            // Frames that wait for the socket will say the same.
            if self.frames.is_empty() {
                let (after, upto) = (link.sent_upto, link.sent_upto);
                self.frames.push_back(FeedFrame::Events(EventsOut::covering(after, upto)));
            }
        }
        self.settle_down(now);
    }

    /// The next frame for the connection; none while a save is awaited (see [`poll_save`](Self::poll_save)).
    pub fn poll_transmit(&mut self) -> Option<FeedFrame> {
        if self.tracker.vows > self.tracker.vows_kept { None } else { take_next(&mut self.frames) }
    }

    /// Asks for [`Tracker::saved`] to be made durable before the next frame goes out; answer with
    /// [`handle_saved`](Self::handle_saved) under the same number. The client is about to be told that an event failed for
    /// good, or was passed over: its position will pass it, and a server that has forgotten why would take it for confirmed
    /// [AW-SUB-1]. At most one save is asked for at a time.
    pub fn poll_save(&mut self) -> Option<u64> {
        let vows = self.tracker.vows;
        if self.link.is_none() || self.saving.is_some() || vows <= self.tracker.vows_kept {
            return None;
        }
        self.saving = Some(vows);
        self.saving
    }

    /// What `poll_save` asked for is durable.
    pub fn handle_saved(&mut self, id: u64) {
        self.saving.take_if(|saving| *saving == id);
        self.tracker.vows_kept = self.tracker.vows_kept.max(id.min(self.tracker.vows));
    }

    /// What to read; at most one read is under way.
    pub fn poll_read(&mut self) -> Option<ReadRequest> {
        let link = self.link.as_mut()?;
        if !self.frames.is_empty() || link.reading.is_some() || link.timers.read.is_some() {
            return None;
        }
        let (purpose, range) = link.next_read(&self.config)?;
        let (mut max_events, mut max_bytes) = (self.config.frame_events, self.config.frame_bytes);
        if purpose == Purpose::Live {
            let (events, bytes) = link.frame;
            max_events = events.saturating_mul(PAGE_FRAMES);
            max_bytes = bytes.saturating_mul(PAGE_FRAMES);
        }
        if let (Purpose::Live, None, Some((events, bytes))) = (purpose, &link.filter, link.room()) {
            (max_events, max_bytes) = (max_events.min(events), max_bytes.min(bytes));
        }
        self.reads += 1;
        link.reading = Some(Reading { id: self.reads, purpose, range });
        Some(ReadRequest { id: self.reads, range, max_events, max_bytes })
    }

    /// An event that the shell is to send again, and the attempt that this is, with
    /// [`ask_for_retries`](Config::ask_for_retries). Answer with [`handle_retried`](Self::handle_retried); after a new
    /// `attach` it is asked anew.
    pub fn poll_retry(&mut self) -> Option<(Seq, u32)> {
        loop {
            let (seq, failed) = self.link.as_mut()?.asks.pop_first()?;
            // Since then it may have settled, been sent, or failed again.
            let is_due = |record: &&Record| record.attempt == failed && matches!(record.phase, Phase::Waiting { .. });
            if self.tracker.open.get(&seq).filter(is_due).is_some() {
                return Some((seq, failed.saturating_add(1)));
            }
        }
    }

    /// What came of a retry by the shell, of which [`poll_retry`](Self::poll_retry) told: it counts as sent, or as failed,
    /// and the next one will come all the same. Of an attempt that the consumer has failed already it changes nothing.
    pub fn handle_retried(&mut self, now: Instant, (seq, attempt): (Seq, u32), outcome: Result<(), &str>) {
        if self.link.is_none() {
            return;
        }
        if self.tracker.retried(now, (seq, attempt), outcome.err(), &self.config, &mut self.rng) == Verdict::Dead {
            self.give_up(now, seq);
        }
        self.settle_down(now);
    }

    /// What happened, for logs, metrics and whoever waits.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        take_next(&mut self.tracker.notices)
    }

    /// Whether the tracker has changed since the last call: then store [`Tracker::saved`].
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.tracker.dirty)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = self.link.as_ref()?;
        let Timers { mark, cover, read, lost, doubt } = link.timers;
        [self.tracker.next_due(), link.repeat_due(), mark, cover, read, lost, doubt].into_iter().flatten().min()
    }

    /// Another log took the place of this one: the connection must come back and be told.
    pub(super) fn has_other_epoch(&mut self, epoch: &Epoch) -> bool {
        if self.link.is_none() || *epoch == self.tracker.epoch {
            return false;
        }
        self.detach();
        self.tracker.notices.push_back(Notice::EpochChanged);
        true
    }

    /// States what was read and listed nothing.
    fn cover(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        if link.read_upto > link.sent_upto {
            let (after, upto) = (link.sent_upto, link.read_upto);
            self.frames.push_back(FeedFrame::Events(EventsOut::covering(after, upto)));
            link.sent_upto = upto;
            link.covered_upto = upto;
            link.spoke(now, &self.config);
        }
        link.timers.cover = None;
    }

    /// After each input: what is to be said without reading.
    pub(super) fn settle_down(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        let is_untold = self.tracker.untold.iter().next().is_some_and(|first| first.after() < link.sent_upto);
        link.timers.lost = is_untold.then(|| link.timers.lost.unwrap_or(now + self.config.deadline));
        // What is applied already need not be read.
        link.read_upto = link.skip.contiguous_from(link.read_upto).min(link.tail.head).max(link.read_upto);
        if link.read_upto > link.sent_upto {
            let waited_for = link.sent_upto < link.replayed_upto || link.tail.ended;
            if link.read_upto >= link.tail.head && waited_for {
                self.cover(now);
            } else if link.timers.cover.is_none() {
                link.timers.cover = Some(now + self.config.cover_delay);
            }
        }
        let Some(link) = &mut self.link else { return };
        if link.tail.ended && !link.ended_sent && link.sent_upto >= link.tail.head {
            link.ended_sent = true;
            let ended = ServerFrame::Ended { stream: self.stream.clone(), seq: link.tail.head };
            self.frames.push_back(FeedFrame::Control(ended));
            link.spoke(now, &self.config);
        }
    }
}
