//! What an honest client would make of one feed's frames, kept apart from the code that is tested.

use ackwire::base::RangeSet;
use ackwire::deliver::{State, Tracker};
use ackwire::wire::{
    Ack, ClientFrame, Epoch, Event, EventsFrame, Filter, From, LostRange, LostReason, Nack, Seq, SeqRange, StreamName,
    Subscribe, Subscribed,
};
use ackwire_simulation::StreamLog;
use std::collections::{BTreeMap, BTreeSet};

/// One feed, from its `subscribe` on.
#[derive(Debug)]
pub struct View {
    filter: Option<Filter>,
    /// `None` before `subscribed`.
    epoch: Option<Epoch>,
    /// Everything up to here was covered.
    covered: Seq,
    /// The newest attempt that came of each event in each of its lives: a repeat's and a requeued dead letter's
    /// (`true`) are counted apart [AW-SEND-9].
    attempts: BTreeMap<(Seq, bool), u32>,
}

impl View {
    pub fn new(subscribe: &Subscribe) -> Self {
        Self { filter: subscribe.filter.clone(), epoch: None, covered: Seq::ZERO, attempts: BTreeMap::new() }
    }

    pub fn subscribed(&mut self, frame: &Subscribed) {
        assert!(self.epoch.replace(frame.epoch.clone()).is_none(), "`subscribe` is answered once");
        assert!(frame.after <= frame.head && frame.replayed_upto == frame.head, "{frame:?}");
        if let Some(lost) = frame.lost {
            assert!(lost.after < lost.upto && lost.upto == frame.after, "{frame:?}");
        }
        self.covered = frame.after;
    }

    /// A frame continues what was covered, lists what the log has, and leaves out nothing that is wanted and unsettled
    /// [AW-SEND-6, AW-SEND-8]. What was `reopened` may have been settled when the frame was made, or has a second life
    /// that this frame is not about.
    pub fn events(&mut self, frame: &EventsFrame, log: &StreamLog, tracker: &Tracker, reopened: &BTreeSet<Seq>) {
        let epoch = self.epoch.as_ref().expect("`subscribed` comes first [AW-SUB-3]");
        let EventsFrame { after, upto, requeued, events, .. } = frame;
        assert!(after <= upto, "{frame:?}");
        let mut last = *after;
        for event in events {
            let seq = event.seq;
            assert!(last < seq && seq <= *upto, "{frame:?} is out of order");
            last = seq;
            assert_eq!(log.ever_at(epoch, seq), Some(&event.id), "{seq} was never in the log like this");
            let before = self.attempts.insert((seq, *requeued), event.attempt).unwrap_or(1);
            assert!(event.attempt >= before, "{seq} with attempt {} after {before}", event.attempt);
        }
        if *requeued {
            return;
        }
        assert!(*after <= self.covered, "a hole from {} to {after}", self.covered);
        self.covered = self.covered.max(*upto);
        let (Some(range), true) = (SeqRange::new(*after, *upto), log.tail().epoch == *epoch) else { return };
        for event in log.events().filter(|event| range.contains(event.seq)) {
            let wanted = self.filter.as_ref().is_none_or(|filter| filter.accepts(&event.event_type, &event.meta));
            let listed = events.iter().any(|sent| sent.seq == event.seq);
            let state = tracker.delivery(event).state;
            let excused = is_settled(state) || reopened.contains(&event.seq);
            assert!(listed || excused || !wanted, "{} is {state:?} and was left out of {frame:?}", event.seq);
        }
    }

    /// The client has said that these are applied: if they come again, then as repeats, whose attempts count anew.
    pub fn settled(&mut self, range: SeqRange) {
        self.attempts.retain(|(seq, _), _| !range.contains(*seq));
    }

    /// A lost range continues what was covered, too, and the log does not hold it [AW-RECV-6].
    pub fn lost(&mut self, lost: LostRange, log: &StreamLog) {
        let epoch = self.epoch.as_ref().expect("`subscribed` comes first [AW-SUB-3]");
        let range = SeqRange::new(lost.after, lost.upto).unwrap_or_else(|| panic!("an empty {lost:?}"));
        assert!(range.after() <= self.covered, "a hole from {} to {lost:?}", self.covered);
        self.covered = self.covered.max(range.upto());
        self.attempts.retain(|(seq, _), _| !range.contains(*seq));
        let tail = log.tail();
        if lost.reason == LostReason::Expired && tail.epoch == *epoch {
            assert!(range.upto() < tail.oldest, "{range} is called expired, {} is held", tail.oldest);
        }
    }

    /// What an honest client would say: that everything is applied, or that the newest event has failed.
    pub fn answer(&self, stream: &StreamName, acks: bool) -> Option<ClientFrame> {
        let (stream, epoch) = (stream.clone(), self.epoch.clone()?);
        if acks {
            return Some(ClientFrame::Ack(Ack::new(stream, epoch, self.covered, Vec::new())));
        }
        let (&(seq, _), &attempt) = self.attempts.last_key_value()?;
        Some(ClientFrame::Nack(Nack { stream, epoch, seq, attempt, error: "thrown".into(), retry: true }))
    }

    pub fn ended(&self, seq: Seq) {
        assert_eq!(seq, self.covered, "the end comes after everything else [AW-RECV-7]");
    }
}

fn is_settled(state: State) -> bool {
    matches!(state, State::Confirmed | State::Dead | State::Skipped)
}

/// What a client has said to be applied, in each log: only that may be confirmed.
#[derive(Debug, Default)]
pub struct Claims {
    applied: BTreeMap<Epoch, RangeSet>,
    /// What these exclude is settled without being applied; a tracker does not tell it from the rest once the filter is
    /// another.
    filters: Vec<Filter>,
}

impl Claims {
    pub fn add(&mut self, epoch: &Epoch, range: SeqRange) {
        self.applied.entry(epoch.clone()).or_default().insert(range);
    }

    /// A position states that everything up to it is applied [AW-SUB-1], and `also` what else [AW-SUB-2].
    pub fn subscribe(&mut self, subscribe: &Subscribe, log: &StreamLog) {
        self.filters.extend(subscribe.filter.clone());
        let tail = log.tail();
        let From::Position(at) = &subscribe.from else { return };
        if at.epoch == tail.epoch {
            let upto = SeqRange::new(Seq::ZERO, at.seq);
            upto.into_iter().chain(subscribe.also.iter().copied()).for_each(|range| self.add(&at.epoch, range));
        }
    }

    /// Nothing is confirmed that was not applied.
    pub fn check(&self, log: &StreamLog, tracker: &Tracker) {
        if *tracker.epoch() != log.tail().epoch {
            return;
        }
        let claimed = self.applied.get(tracker.epoch());
        let wanted = |event: &&Event| self.filters.iter().all(|known| known.accepts(&event.event_type, &event.meta));
        for event in log.events().filter(wanted) {
            let delivery = tracker.delivery(event);
            let is_claimed = claimed.is_some_and(|ranges| ranges.contains(event.seq));
            assert!(
                delivery.state != State::Confirmed || is_claimed,
                "{}: {delivery:?}, and nobody said so",
                event.seq
            );
        }
    }
}
