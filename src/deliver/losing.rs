//! What the client is told not to wait for: it failed for good, or the log has lost it.

use std::ops::Bound;

use super::Notice;
use super::feed::{Feed, FeedFrame, Tail};
use super::tracker::Tracker;
use crate::base::Instant;
use crate::wire::{LostRange, LostReason, Seq, SeqRange, ServerFrame};

impl Feed {
    /// An event failed for good: the client hears of it where it has been sent, or else when its turn comes.
    pub(super) fn give_up(&mut self, now: Instant, seq: Seq) {
        let (Some(link), Some(single)) = (&mut self.link, SeqRange::single(seq)) else { return };
        link.release(single);
        if seq <= link.sent_upto {
            let range = LostRange { after: single.after(), upto: seq, reason: LostReason::Failed };
            self.frames.push_back(FeedFrame::Control(ServerFrame::Lost { stream: self.stream.clone(), range }));
            link.spoke(now, &self.config);
        }
    }

    /// The client is told once more that the log has lost an event.
    pub(super) fn lose_again(&mut self, now: Instant, seq: Seq) {
        let (Some(link), Some(single)) = (&mut self.link, SeqRange::single(seq)) else { return };
        let reason = if seq < link.tail.oldest { LostReason::Expired } else { LostReason::Compacted };
        let range = LostRange { after: single.after(), upto: seq, reason };
        self.frames.push_back(FeedFrame::Control(ServerFrame::Lost { stream: self.stream.clone(), range }));
        link.spoke(now, &self.config);
    }

    /// What is settled by our own word is said again until an ack covers it: a client that held an event behind a gap may
    /// have delivered it since, and its handler may hang on it [AW-SEND-10].
    pub(super) fn repeat_lost(&mut self, now: Instant) {
        let (Some(link), tracker) = (&mut self.link, &self.tracker) else { return };
        let sent = SeqRange::new(link.start, link.sent_upto);
        // Frames that wait for the socket may say the same.
        let Some(sent) = sent.filter(|_| self.frames.is_empty()) else { return };
        for range in tracker.untold.iter().filter_map(|range| range.intersection(sent)) {
            let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
            // A replay has sent a dead event once more, or ranges were put together to stay within bounds.
            let is_under_way = link.outstanding.range(within).next().is_some();
            if is_under_way || tracker.open.range(within).next().is_some() {
                continue;
            }
            self.frames.extend(
                tracker
                    .reasons(range, &link.tail)
                    .into_iter()
                    .map(|range| FeedFrame::Control(ServerFrame::Lost { stream: self.stream.clone(), range })),
            );
        }
        if !self.frames.is_empty() {
            link.spoke(now, &self.config);
        }
    }

    /// What the log no longer holds is settled, as lost.
    pub(super) fn note_lost(&mut self, range: SeqRange, lost: LostRange) {
        self.tracker.lose(range);
        self.tracker.notices.push_back(Notice::Lost(lost));
        if let Some(link) = &mut self.link {
            link.release(range);
        }
    }
}

impl Tracker {
    /// Why each part of a range is lost, ascending.
    fn reasons(&self, range: SeqRange, tail: &Tail) -> Vec<LostRange> {
        let lost = |after, upto, reason| SeqRange::new(after, upto).map(|_| LostRange { after, upto, reason });
        let failed = self.dead.iter().filter_map(|dead| dead.intersection(range));
        let failed = failed.filter_map(|dead| lost(dead.after(), dead.upto(), LostReason::Failed));
        let gone = self.dead.missing(range).flat_map(|gone| {
            let expired = tail.oldest.before().clamp(gone.after(), gone.upto());
            let parts = [(gone.after(), expired, LostReason::Expired), (expired, gone.upto(), LostReason::Compacted)];
            parts.into_iter().filter_map(|(after, upto, reason)| lost(after, upto, reason))
        });
        let mut all: Vec<LostRange> = failed.chain(gone).collect();
        all.sort_by_key(|lost| lost.after);
        all
    }
}
