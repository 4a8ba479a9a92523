//! Where a subscription begins [section 4 of `PROTOCOL.md`].

use super::Reported;
use super::feed::{Feed, FeedFrame, Tail};
use super::link::Link;
use crate::base::{Instant, RangeSet};
use crate::wire::{From, LostRange, LostReason, Position, Seq, SeqRange, ServerFrame, Subscribe, Subscribed};

/// The beginning that a `from` asks for.
struct Beginning {
    after: Seq,
    /// The position that is void [AW-SUB-5].
    reset: Option<Position>,
    /// Applied already.
    skip: RangeSet,
}

impl Feed {
    /// A connection subscribes, for the first time or anew [AW-SUB-7]. `subscribed` is the next frame.
    pub fn attach(&mut self, now: Instant, subscribe: &Subscribe, tail: Tail) {
        self.detach();
        self.saving = None;
        let beginning = self.begin(now, subscribe, &tail);
        let (after, lost) = self.lose_pruned(&beginning, &tail);
        self.tracker.filter.clone_from(&subscribe.filter);
        // The client reports anew.
        self.tracker.reported = Reported::at(after);
        self.tracker.dirty = true;
        self.tracker.start_clocks(now, &self.config);
        self.frames.push_back(FeedFrame::Control(ServerFrame::Subscribed(Subscribed {
            stream: self.stream.clone(),
            epoch: tail.epoch.clone(),
            after,
            head: tail.head,
            oldest: tail.oldest,
            replayed_upto: tail.head,
            reset: beginning.reset.clone(),
            lost,
        })));
        let mut link = Link::new(after, tail, subscribe.window, subscribe.filter.clone(), &self.config);
        link.skip = beginning.skip;
        link.replay = subscribe.from == From::Start;
        if !link.replay {
            if let (From::Position(_), Some(beyond)) = (&subscribe.from, SeqRange::new(after, link.tail.head)) {
                let vouched = self.tracker.vouched.iter().filter_map(|range| range.intersection(beyond));
                link.doubtful = vouched.flat_map(|part| link.skip.missing(part).collect::<Vec<_>>()).collect();
                link.timers.doubt = (!link.doubtful.is_empty()).then(|| now + self.config.deadline);
            }
            self.tracker.vouched.iter().for_each(|range| link.skip.insert(range));
        }
        link.retries.extend(self.tracker.requeued_unsettled());
        if matches!(subscribe.from, From::Position(_)) && beginning.reset.is_none() {
            link.claimable = link.tail.head;
        }
        self.link = Some(link);
        self.settle_down(now);
    }

    fn begin(&mut self, now: Instant, subscribe: &Subscribe, tail: &Tail) -> Beginning {
        let known = Position { epoch: self.tracker.epoch.clone(), seq: self.tracker.sent_upto };
        let is_other_log = known.epoch != tail.epoch;
        let resume = Position { epoch: known.epoch.clone(), seq: self.tracker.known_position() };
        if is_other_log {
            self.tracker.restart(tail.epoch.clone());
        } else if known.seq > tail.head {
            self.tracker.truncate(tail.head);
        }
        let at = |after, reset| Beginning { after, reset, skip: RangeSet::new() };
        match &subscribe.from {
            From::Start => at(Seq::ZERO, None),
            From::Now => {
                if let Some(passed) = SeqRange::new(Seq::ZERO, tail.head) {
                    self.tracker.skip(passed);
                    self.tracker.untold.remove(passed);
                    self.tracker.vows += 1;
                }
                at(tail.head, None)
            }
            From::Position(asked) if asked.epoch != tail.epoch => at(Seq::ZERO, Some(asked.clone())),
            From::Position(asked) if asked.seq > tail.head => {
                // What it has applied beyond the head is void; what it has applied up to the head is not.
                self.claim(now, Seq::ZERO, tail.head);
                at(tail.head, Some(asked.clone()))
            }
            From::Position(asked) => {
                self.claim(now, Seq::ZERO, asked.seq);
                let mut skip = RangeSet::new();
                for range in &subscribe.also {
                    let upto = range.upto().min(tail.head);
                    self.claim(now, range.after(), upto);
                    SeqRange::new(range.after(), upto).into_iter().for_each(|range| skip.insert(range));
                }
                Beginning { after: asked.seq, reset: None, skip }
            }
            From::Resume if is_other_log => at(Seq::ZERO, (known.seq > Seq::ZERO).then_some(resume)),
            From::Resume if resume.seq > tail.head => at(tail.head, Some(resume)),
            From::Resume => {
                // What is dead or lost beyond the position is not skipped: the client is told of it again.
                let mut skip = self.tracker.settled.clone();
                self.tracker.dead.iter().chain(self.tracker.untold.iter()).for_each(|range| skip.remove(range));
                Beginning { after: resume.seq, reset: None, skip }
            }
        }
    }

    /// A position states that everything up to it is applied [AW-SUB-1].
    fn claim(&mut self, now: Instant, after: Seq, upto: Seq) {
        if let Some(applied) = SeqRange::new(after, upto).filter(|applied| !self.tracker.is_crowded(*applied)) {
            self.tracker.bury_replayed(applied);
            self.tracker.confirm(now, applied);
        }
    }

    /// What the log no longer holds right after the beginning [AW-SUB-4]. Holes further on are stated when the feed
    /// comes to them.
    fn lose_pruned(&mut self, beginning: &Beginning, tail: &Tail) -> (Seq, Option<LostRange>) {
        let after = beginning.after;
        let pruned = SeqRange::new(after, tail.oldest.before().min(tail.head));
        let first = pruned.and_then(|pruned| beginning.skip.missing(pruned).next());
        let Some(range) = first.filter(|range| range.after() == after) else { return (after, None) };
        let lost = LostRange { after, upto: range.upto(), reason: LostReason::Expired };
        self.note_lost(range, lost);
        (range.upto(), Some(lost))
    }
}
