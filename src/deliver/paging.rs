//! From pages of the log to frames.

use std::{collections::VecDeque, sync::Arc};

use super::Entry;
use super::feed::{EventsOut, Feed, FeedFrame, Page};
use super::link::{Link, Purpose, Reading};
use super::record::Terms;
use crate::base::Instant;
use crate::wire::{LostRange, LostReason, Seq, SeqRange, ServerFrame, StreamName};

impl Feed {
    /// The answer to a [`ReadRequest`](super::ReadRequest).
    pub fn handle_page(&mut self, now: Instant, id: u64, page: &Page) {
        let Some(link) = &mut self.link else { return };
        let Some(reading) = link.reading.take_if(|reading| reading.id == id) else { return };
        link.read_failures = 0;
        link.tail.oldest = link.tail.oldest.max(page.oldest);
        if self.has_other_epoch(&page.epoch) {
            return;
        }
        let frames = match reading.purpose {
            Purpose::Live => self.send_live(now, page),
            Purpose::Resend => self.send_again(now, reading, page),
            Purpose::Retry => self.send_retries(now, reading, page),
        };
        if let Some(link) = self.link.as_mut().filter(|_| !frames.is_empty()) {
            link.spoke(now, &self.config);
        }
        self.frames.extend(frames);
        self.settle_down(now);
    }

    /// Goes on where the chain of frames ends, as far as the window allows.
    fn send_live(&mut self, now: Instant, page: &Page) -> VecDeque<FeedFrame> {
        let Some((sent_upto, read_upto)) = self.link.as_ref().map(|link| (link.sent_upto, link.read_upto)) else {
            return VecDeque::new();
        };
        let mut chain = Chain::new(&self.stream, sent_upto);
        self.lose_expired(read_upto, page.upto, page.oldest, &mut chain);
        let mut at = read_upto.max(page.oldest.before().min(page.upto));
        let Some(link) = &mut self.link else { return VecDeque::new() };
        let begin = at;
        let mut is_full = false;
        let frame = link.frame;
        let gone = compacted(page, link, begin, page.upto);
        let (mut ahead, mut told) = (gone.into_iter().peekable(), Vec::new());
        for entry in page.entries.iter().filter(|entry| entry.seq() > begin) {
            let event = entry.head();
            while let Some(hole) = ahead.next_if(|hole| hole.upto() < event.seq) {
                self.tracker.cover_up(at, hole.after());
                told.push((hole, chain.lose(hole, LostReason::Compacted)));
                at = hole.upto();
            }
            let is_wanted =
                !link.skip.contains(event.seq) && link.accepts(entry) && !self.tracker.is_requeued(event.seq);
            let is_dead = is_wanted && !link.replay && self.tracker.is_dead(event.seq);
            if is_wanted && !is_dead && !link.fits(entry) {
                is_full = true;
                break;
            }
            if is_wanted && !is_dead && !chain.takes(entry, frame) {
                chain.cut(at);
            }
            let covered = if is_wanted { event.seq.before() } else { event.seq };
            self.tracker.cover_up(at, covered);
            at = event.seq;
            if is_dead {
                chain.lose_one(event.seq);
            } else if is_wanted {
                let attempt = self.tracker.send(now, event, &self.config);
                let is_repeat = self.tracker.settled.contains(event.seq);
                link.take_out(now, entry, is_repeat.then(|| now + Terms::of_head(event).deadline(&self.config)));
                chain.push(entry, attempt);
            }
        }
        if is_full {
            link.blocked = true;
        } else {
            for hole in ahead {
                self.tracker.cover_up(at, hole.after());
                told.push((hole, chain.lose(hole, LostReason::Compacted)));
                at = hole.upto();
            }
            self.tracker.cover_up(at, page.upto);
            at = at.max(page.upto);
        }
        link.read_upto = at;
        if let Some((last, _)) = chain.entries.last() {
            if last.seq() < at {
                link.covered_upto = at;
            }
            chain.cut(at);
            link.timers.cover = None;
        }
        link.sent_upto = chain.after;
        told.into_iter().for_each(|(hole, lost)| self.note_lost(hole, lost));
        chain.frames
    }

    /// Covers exactly the range that was asked for, and raises no attempt [AW-SEND-6].
    fn send_again(&mut self, now: Instant, reading: Reading, page: &Page) -> VecDeque<FeedFrame> {
        let range = reading.range;
        let mut chain = Chain::new(&self.stream, range.after());
        self.lose_expired(range.after(), range.upto(), page.oldest, &mut chain);
        let Some(link) = &mut self.link else { return VecDeque::new() };
        let begin = chain.after;
        let upto = page.upto.min(range.upto());
        let gone = compacted(page, link, begin, upto);
        let (mut ahead, mut told) = (gone.into_iter().peekable(), Vec::new());
        for entry in page.entries.iter().filter(|entry| entry.seq() > begin) {
            let seq = entry.seq();
            while let Some(hole) = ahead.next_if(|hole| hole.upto() < seq) {
                told.push((hole, chain.lose(hole, LostReason::Compacted)));
            }
            // A dead event that a replay has sent once more lives until its outcome is known.
            if self.tracker.is_dead(seq) && !link.outstanding.contains_key(&seq) {
                chain.lose_one(seq);
            } else if !link.skip.contains(seq) && link.accepts(entry) && !self.tracker.is_requeued(seq) {
                let attempt = self.tracker.resend(now, seq, &self.config);
                chain.entries.push((entry.clone(), attempt));
            }
        }
        told.extend(ahead.map(|hole| (hole, chain.lose(hole, LostReason::Compacted))));
        chain.cut(upto);
        // No progress means that the log holds nothing more of it.
        if let Some(rest) = SeqRange::new(chain.after, range.upto()).filter(|rest| rest.after() > range.after()) {
            link.resends.insert(rest);
        }
        told.into_iter().for_each(|(hole, lost)| self.note_lost(hole, lost));
        chain.frames
    }

    /// Sends what is due with its next attempt, as `events(seq−1, seq]`, neighbours in one frame [AW-ACK-5].
    fn send_retries(&mut self, now: Instant, reading: Reading, page: &Page) -> VecDeque<FeedFrame> {
        let Some(link) = &mut self.link else { return VecDeque::new() };
        let due: Vec<Seq> = link.retries.iter().copied().filter(|seq| reading.range.contains(*seq)).collect();
        let mut entries = page.entries.iter().peekable();
        let mut chain = Chain::new(&self.stream, reading.range.after());
        let mut last = chain.after;
        let mut missing = Vec::new();
        for seq in due.into_iter().filter(|seq| *seq <= page.upto || *seq < page.oldest) {
            link.retries.remove(&seq);
            let Some(single) = SeqRange::single(seq) else { continue };
            if single.after() > last {
                // What lay between has settled since the read began.
                chain.cut(last);
                chain.after = single.after();
            }
            last = seq;
            while entries.next_if(|entry| entry.seq() < seq).is_some() {}
            if let Some(entry) = entries.next_if(|entry| entry.seq() == seq) {
                if self.tracker.is_requeued(seq) {
                    chain.cut(single.after());
                    chain.requeue(single, entry.clone(), self.tracker.send(now, entry.head(), &self.config));
                    continue;
                }
                chain.entries.push((entry.clone(), self.tracker.send(now, entry.head(), &self.config)));
            } else {
                let reason = if seq < page.oldest { LostReason::Expired } else { LostReason::Compacted };
                missing.push((single, chain.lose(single, reason)));
            }
        }
        chain.cut(last);
        for (single, lost) in missing {
            self.note_lost(single, lost);
        }
        chain.frames
    }

    /// States what was trimmed of `(after, upto]` and is not applied already.
    fn lose_expired(&mut self, after: Seq, upto: Seq, oldest: Seq, chain: &mut Chain) {
        let (Some(expired), Some(link)) = (SeqRange::new(after, oldest.before().min(upto)), &self.link) else { return };
        for hole in link.skip.missing(expired).collect::<Vec<_>>() {
            let lost = chain.lose(hole, LostReason::Expired);
            self.note_lost(hole, lost);
        }
    }
}

/// What compaction took of `(after, upto]` and is not applied already.
fn compacted(page: &Page, link: &Link, after: Seq, upto: Seq) -> Vec<SeqRange> {
    let within = SeqRange::new(after, upto);
    let parts = page.compacted.iter().filter_map(|range| range.intersection(within?));
    parts.flat_map(|part| link.skip.missing(part).collect::<Vec<_>>()).collect()
}

/// Frames that follow on each other.
struct Chain {
    stream: StreamName,
    /// Covered so far.
    after: Seq,
    /// To be listed in the next frame.
    entries: Vec<(Arc<Entry>, u32)>,
    /// Theirs.
    bytes: usize,
    frames: VecDeque<FeedFrame>,
}

impl Chain {
    fn new(stream: &StreamName, after: Seq) -> Self {
        Self { stream: stream.clone(), after, entries: Vec::new(), bytes: 0, frames: VecDeque::new() }
    }

    /// Whether the next frame has room for it; one event is always allowed [AW-SEND-5].
    fn takes(&self, entry: &Entry, (events, bytes): (u32, u32)) -> bool {
        let fits = self.bytes + entry.bytes() <= bytes as usize;
        self.entries.is_empty() || (fits && self.entries.len() < events as usize)
    }

    fn push(&mut self, entry: &Arc<Entry>, attempt: u32) {
        self.bytes += entry.bytes();
        self.entries.push((entry.clone(), attempt));
    }

    /// A frame up to `upto`, if there is anything to cover.
    fn cut(&mut self, upto: Seq) {
        if upto > self.after {
            let entries = std::mem::take(&mut self.entries);
            self.bytes = 0;
            self.frames.push_back(FeedFrame::Events(EventsOut { after: self.after, upto, entries, requeued: false }));
            self.after = upto;
        }
    }

    /// A frame of its own for a dead letter in its second life.
    fn requeue(&mut self, single: SeqRange, entry: Arc<Entry>, attempt: u32) {
        let (after, upto, entries) = (single.after(), single.upto(), vec![(entry, attempt)]);
        self.frames.push_back(FeedFrame::Events(EventsOut { after, upto, entries, requeued: true }));
        self.after = upto;
    }

    /// This event failed for good.
    fn lose_one(&mut self, seq: Seq) {
        SeqRange::single(seq).map(|dead| self.lose(dead, LostReason::Failed));
    }

    fn lose(&mut self, range: SeqRange, reason: LostReason) -> LostRange {
        self.cut(range.after());
        let lost = LostRange { after: range.after(), upto: range.upto(), reason };
        let frame = ServerFrame::Lost { stream: self.stream.clone(), range: lost };
        self.frames.push_back(FeedFrame::Control(frame));
        self.after = range.upto();
        lost
    }
}
