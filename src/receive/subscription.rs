//! One stream as it arrives: the cursor, what is early, what is a repeat, what is settled.

use super::checkpoint::StreamCheckpoint;
use super::confirmations::{Confirmations, Repeat};
use super::dedupe::DedupeWindow;
use super::gap::Gap;
use super::held::{Held, HeldFrame, HeldKind};
use super::outbox::RETRY;
use super::output::Outputs;
use super::requeued::{Arrival, RequeuedEvents};
use super::stats::Counters;
use super::{Batch, Config, Head, Notice, Phrase, SocketId, SubscribeOptions, SubscriptionId};
use crate::base::{Instant, RangeSet, Rng, sooner};
use crate::wire::{
    ClientFrame, Epoch, From, LostRange, LostReason, MAX_RANGES, Position, Resend, Seq, SeqRange, StreamName,
    Subscribe, Subscribed,
};

mod settling;
mod snapshots;

/// How much of the window may be held behind a gap, in windows [AW-RECV-4].
pub const HELD_WINDOWS: usize = 4;

/// Most ranges beyond the cursor that are remembered as failed for good. More than that many dead events behind one gap
/// would be delivered although they are dead, which breaks nothing: their confirmation is not heard.
pub const MAX_FAILED_AHEAD: usize = 256;

/// What a subscription works with during one input.
pub(super) struct Context<'a, P> {
    pub now: Instant,
    pub socket: SocketId,
    pub config: &'a Config,
    pub out: &'a mut Outputs<P>,
}

/// What a server says of one stream.
pub(super) enum Word<'a, P> {
    Events(Batch<'a, P>),
    Subscribed(Subscribed),
    Lost(LostRange),
    Ended(Seq),
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server broke the protocol.
    Misbehaved(Phrase),
    /// A gap stayed although it was asked for.
    GapStuck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Offline,
    /// `subscribe` is sent, `subscribed` has not come: events are of an older feed [AW-SUB-3].
    Asked,
    Live,
}

/// Invariants: `cursor ≤ heard`; every open event lies at or below `cursor`; every held frame begins beyond `cursor`.
pub(super) struct Subscription<P> {
    id: SubscriptionId,
    options: SubscribeOptions,
    phase: Phase,
    /// `None` until the server has stated a position.
    epoch: Option<Epoch>,
    cursor: Seq,
    heard: Seq,
    /// What is open up to here does not count against the window: it was open when this feed began, or the server has
    /// given up something as far as here, and may count less than we do.
    feed_start: Seq,
    held: Held<P>,
    /// Beyond the cursor and applied by an earlier life of the page, or by an earlier subscription of it: what the
    /// checkpoint said, so that the next one does not say less.
    ahead: Vec<SeqRange>,
    /// Beyond the cursor and failed for good: not to be delivered although it may be held.
    failed_ahead: RangeSet,
    seen: DedupeWindow,
    open: Confirmations,
    requeued: RequeuedEvents,
    gap: Gap,
    ended: Option<Seq>,
    ended_told: bool,
    /// The delivered and received positions that the server knows of, or takes for granted [AW-ACK-8].
    told: (Seq, Seq),
    /// Timer: ack what is settled, and tell how far we are.
    ack_due: Option<Instant>,
    /// Timer: ask once more on this connection. Only while offline.
    ask_due: Option<Instant>,
    /// How often in a row it was refused for now.
    refusals: u32,
    /// Newly settled since the last ack.
    fresh: u32,
    /// Until then something was settled within the ack delay, so that more may come [AW-ACK-3].
    busy_until: Instant,
    counters: Counters,
}

impl<P: Clone> Subscription<P> {
    pub fn new(id: SubscriptionId, options: SubscribeOptions, config: &Config) -> Self {
        Self {
            id,
            phase: Phase::Offline,
            epoch: None,
            cursor: Seq::ZERO,
            heard: Seq::ZERO,
            feed_start: Seq::ZERO,
            held: Held::new(options.window.events as usize * HELD_WINDOWS),
            ahead: Vec::new(),
            failed_ahead: RangeSet::new(),
            seen: DedupeWindow::new(config.dedupe_window),
            open: Confirmations::default(),
            requeued: RequeuedEvents::default(),
            gap: Gap::default(),
            ended: None,
            ended_told: false,
            told: (Seq::ZERO, Seq::ZERO),
            ack_due: None,
            ask_due: None,
            refusals: 0,
            fresh: 0,
            busy_until: Instant::default(),
            counters: Counters::default(),
            options,
        }
    }

    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    pub fn stream(&self) -> &StreamName {
        &self.options.stream
    }

    pub fn is_offline(&self) -> bool {
        self.phase == Phase::Offline
    }

    pub fn is_asked(&self) -> bool {
        self.phase == Phase::Asked
    }

    // --- the connection ---

    /// The frame that asks for this stream, on a connection that knows nothing of it [AW-SUB-6].
    pub fn ask(&mut self, saved: Option<&StreamCheckpoint>) -> Subscribe {
        self.go_offline();
        self.phase = Phase::Asked;
        self.fresh = 0;
        let (from, also) = match (&self.epoch, &self.options.from, saved) {
            (Some(epoch), _, _) => {
                let seq = self.open.settled(self.cursor);
                let position = Position { epoch: epoch.clone(), seq };
                (From::Position(position), self.applied_beyond())
            }
            (None, From::Resume, Some(saved)) => {
                let position = Position { epoch: saved.epoch.clone(), seq: saved.upto };
                self.ahead.clone_from(&saved.also);
                (From::Position(position), saved.also.clone())
            }
            (None, from, _) => (from.clone(), Vec::new()),
        };
        let SubscribeOptions { stream, window, filter, .. } = self.options.clone();
        Subscribe { stream, from, also, window, filter }
    }

    pub fn go_offline(&mut self) {
        self.phase = Phase::Offline;
        self.held.clear();
        self.failed_ahead.clear();
        self.heard = self.cursor;
        self.gap.pause();
        self.ack_due = None;
        self.ask_due = None;
    }

    /// The server cannot serve it now: it is to be asked again [AW-SUB-10].
    pub fn ask_later(&mut self, now: Instant, rng: &mut Rng) {
        self.go_offline();
        self.ask_due = Some(now + RETRY.delay(self.refusals, rng));
        self.refusals += 1;
    }

    /// Whether the time has come to ask again.
    pub fn is_ask_due(&self, now: Instant) -> bool {
        self.ask_due.is_some_and(|due| due <= now)
    }

    fn handle_subscribed(&mut self, subscribed: Subscribed, cx: &mut Context<'_, P>) {
        let Subscribed { epoch, after, head, replayed_upto, reset, lost, .. } = subscribed;
        self.phase = Phase::Live;
        self.refusals = 0;
        let known = self.epoch.replace(epoch.clone());
        match known {
            Some(known) if known == epoch && reset.is_none() => self.resume(after, lost, cx),
            known => {
                let void = reset.or(known.map(|epoch| Position { epoch, seq: self.cursor }));
                self.adopt(void, Position { epoch: epoch.clone(), seq: after }, lost, cx);
            }
        }
        self.heard = self.cursor;
        self.told = (after, after);
        self.report_soon(cx);
        self.feed_start = self.cursor;
        self.tell_passed_gap(false, cx);
        self.requeued.forget_given_up();
        let mut renew = self.requeued.failed();
        renew.extend(self.open.failed().map(|open| open.seq));
        renew.into_iter().for_each(|seq| self.nack(seq, cx));
        if self.fresh > 0 {
            self.ack_soon(cx);
        }
        cx.out.notice(Notice::Subscribed { subscription: self.id, epoch, after, head, replayed_upto });
    }

    /// The feed goes on in the log that we know.
    fn resume(&mut self, after: Seq, lost: Option<LostRange>, cx: &mut Context<'_, P>) {
        // A server that skips ahead without a word has lost that range all the same: never silence [AW-PROMISE].
        let silent = || LostRange { after: self.cursor, upto: after, reason: LostReason::Expired };
        let lost = lost.or_else(|| (after > self.cursor).then(silent));
        let Some(range) = lost.and_then(|lost| SeqRange::new(lost.after, lost.upto.max(after))) else { return };
        let reason = lost.map_or(LostReason::Expired, |lost| lost.reason);
        self.lose(range, reason, cx);
    }

    /// The feed begins anew, at a position that we adopt as a pair [AW-SUB-5].
    fn adopt(&mut self, void: Option<Position>, position: Position, lost: Option<LostRange>, cx: &mut Context<'_, P>) {
        for open in self.open.clear() {
            self.seen.forget(open.id_hash);
        }
        self.requeued.drain().for_each(|id_hash| self.seen.forget(id_hash));
        self.gap.clear();
        self.ended = None;
        self.ended_told = false;
        self.fresh = 0;
        self.cursor = position.seq;
        if let Some(void) = void {
            self.ahead.clear();
            self.counters.resets += 1;
            cx.out.notice(Notice::Reset { subscription: self.id, void, position });
        }
        if let Some(lost) = lost {
            self.tell_lost(SeqRange::new(lost.after, lost.upto), lost.reason, cx);
        }
    }

    // --- arrival ---

    /// `Ok(false)` if the frame is of an older feed [AW-RECV-6] [AW-RECV-7].
    pub fn hear(&mut self, word: Word<'_, P>, cx: &mut Context<'_, P>) -> Result<bool, Fault> {
        match (self.phase, word) {
            (Phase::Asked, Word::Subscribed(subscribed)) => self.handle_subscribed(subscribed, cx),
            (Phase::Live, Word::Events(batch)) => self.handle_events(batch, cx)?,
            (Phase::Live, Word::Lost(lost)) => self.handle_lost(lost, cx)?,
            (Phase::Live, Word::Ended(seq)) => self.handle_ended(seq, cx),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn handle_events(&mut self, batch: Batch<'_, P>, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        check_batch(&batch)?;
        if batch.requeued {
            batch.heads.iter().enumerate().for_each(|(index, head)| self.arrive_again(head, index, &batch, cx));
            return Ok(());
        }
        let before = self.cursor;
        if batch.after <= self.cursor {
            self.accept(&batch, cx)?;
            self.drain_held(cx)?;
        } else if let Some(range) = SeqRange::new(batch.after, batch.upto) {
            let kind = HeldKind::Events { heads: batch.heads.to_vec(), payload: batch.payload };
            self.held.insert(HeldFrame { range, kind });
        }
        self.heard = self.heard.max(batch.upto);
        self.after_arrival(before, cx);
        Ok(())
    }

    fn handle_lost(&mut self, lost: LostRange, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        let range = SeqRange::new(lost.after, lost.upto).ok_or(Fault::Misbehaved(Phrase::EmptyLost))?;
        let before = self.cursor;
        self.feed_start = self.feed_start.max(range.upto());
        if range.after() > self.cursor {
            if lost.reason == LostReason::Failed {
                self.end_second_lives(Some(range), lost.reason, cx);
                if self.failed_ahead.len() < MAX_FAILED_AHEAD {
                    self.failed_ahead.insert(range);
                }
            }
            self.held.insert(HeldFrame { range, kind: HeldKind::Lost(lost.reason) });
        } else {
            self.pass_lost(range, lost.reason, cx)?;
            self.drain_held(cx)?;
        }
        self.heard = self.heard.max(range.upto());
        self.after_arrival(before, cx);
        Ok(())
    }

    fn handle_ended(&mut self, seq: Seq, cx: &mut Context<'_, P>) {
        self.ended = Some(seq);
        self.heard = self.heard.max(seq);
        self.after_arrival(self.cursor, cx);
    }

    /// Takes a frame that begins at or below the cursor.
    fn accept(&mut self, batch: &Batch<'_, P>, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        let fresh = batch.heads.partition_point(|head| head.seq <= self.cursor);
        let news = batch.heads.len() - fresh;
        let window = self.options.window.events as usize;
        if self.open.len() + news > window && self.open.running_beyond(self.feed_start) + news > window {
            return Err(Fault::Misbehaved(Phrase::WindowOverrun));
        }
        for (index, head) in batch.heads[..fresh].iter().enumerate() {
            self.repeat(head, index, batch, cx);
        }
        let mut run = fresh;
        let has_exceptions = self.failed_ahead.len() + self.requeued.len() > 0;
        for (index, head) in batch.heads.iter().enumerate().skip(fresh) {
            let failed = has_exceptions && self.failed_ahead.contains(head.seq);
            let lives_again = has_exceptions && self.requeued.holds(head.seq);
            if !failed && !lives_again && self.seen.insert(head.id_hash) {
                self.open.start(head);
                continue;
            }
            self.deliver(run, index, batch, cx);
            run = index + 1;
            if failed {
                self.tell_lost(SeqRange::single(head.seq), LostReason::Failed, cx);
                continue;
            }
            self.counters.suppressed += 1;
            if let Some((delivered, handling)) = self.requeued.take_open(head.seq) {
                // A server that has forgotten the second life speaks of the first: it goes on as that.
                self.open.go_on(head, delivered, handling);
            }
        }
        self.deliver(run, batch.heads.len(), batch, cx);
        if let Some(passed) = SeqRange::new(self.cursor, batch.upto) {
            self.cursor = batch.upto;
            self.failed_ahead.remove(passed);
            if self.open.settled(self.cursor) == self.cursor {
                // All of it was skipped or suppressed: the server learns of it with an ack, as of what is handled.
                self.ack_soon(cx);
            }
        }
        Ok(())
    }

    /// [AW-RECV-2]
    fn repeat(&mut self, head: &Head, index: usize, batch: &Batch<'_, P>, cx: &mut Context<'_, P>) {
        let repeat = self.open.repeat(head);
        if repeat != Repeat::Deliver {
            self.counters.duplicates += 1;
        }
        match repeat {
            Repeat::AckAgain => self.ack_soon(cx),
            Repeat::NackAgain => self.nack(head.seq, cx),
            Repeat::Nothing => {}
            Repeat::Deliver => self.deliver(index, index + 1, batch, cx),
        }
    }

    /// A dead letter comes in its second life [AW-SEND-9].
    fn arrive_again(&mut self, head: &Head, index: usize, batch: &Batch<'_, P>, cx: &mut Context<'_, P>) {
        let single = SeqRange::single(head.seq);
        let ran = single.is_some_and(|single| !self.open.give_up(single).is_empty());
        if ran {
            // The word that its first life is over was lost: a handler that hangs there would hold up its second.
            self.tell_lost(single, LostReason::Failed, cx);
        }
        // Its id is remembered as any other's: applied once, it is applied in whatever log it comes again.
        let seen = &mut self.seen;
        let arrival = self.requeued.arrive(head, || !seen.insert(head.id_hash) && !ran);
        if arrival != Arrival::Deliver {
            self.counters.duplicates += 1;
        }
        match arrival {
            Arrival::Deliver => self.deliver(index, index + 1, batch, cx),
            Arrival::ConfirmAgain => self.confirm(head.seq, cx),
            Arrival::NackAgain => self.nack(head.seq, cx),
            Arrival::Nothing => {}
        }
    }

    fn deliver(&mut self, start: usize, end: usize, batch: &Batch<'_, P>, cx: &mut Context<'_, P>) {
        if start < end {
            self.counters.delivered += (end - start) as u64;
            let (start, end) = (start as u32, end as u32);
            cx.out.notice(Notice::Deliver { subscription: self.id, payload: batch.payload.clone(), start, end });
        }
    }

    fn drain_held(&mut self, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        while let Some(frame) = self.held.pop_ready(self.cursor) {
            self.accept_held(frame, cx)?;
        }
        Ok(())
    }

    fn accept_held(&mut self, frame: HeldFrame<P>, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        let (after, upto) = (frame.range.after(), frame.range.upto());
        match frame.kind {
            HeldKind::Events { heads, payload } => {
                self.accept(&Batch { after, upto, requeued: false, heads: &heads, payload }, cx)
            }
            HeldKind::Lost(reason) => self.pass_lost(frame.range, reason, cx),
        }
    }

    /// A lost range that begins at or below the cursor. What is held inside it has come after all.
    fn pass_lost(&mut self, range: SeqRange, reason: LostReason, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        let mut from = range.after();
        while let Some(frame) = self.held.pop_before(range.upto()) {
            if let Some(part) = SeqRange::new(from, frame.range.after()) {
                self.lose(part, reason, cx);
            }
            from = from.max(frame.range.upto());
            self.accept_held(frame, cx)?;
        }
        if let Some(rest) = SeqRange::new(from, range.upto()) {
            self.lose(rest, reason, cx);
        }
        Ok(())
    }

    /// The range will never come: gives up what waits in it, tells what was not delivered of it, moves on.
    fn lose(&mut self, range: SeqRange, reason: LostReason, cx: &mut Context<'_, P>) {
        for open in self.open.give_up(range) {
            self.seen.forget(open.id_hash);
            self.tell_lost(SeqRange::single(open.seq), reason, cx);
        }
        // Beyond the cursor a failure was held behind a gap, and has ended what there was to end when it came.
        let ends = if reason == LostReason::Failed { self.cursor } else { range.upto() };
        self.end_second_lives(SeqRange::new(range.after(), range.upto().min(ends)), reason, cx);
        let beyond = SeqRange::new(range.after().max(self.cursor), range.upto());
        self.cursor = self.cursor.max(range.upto());
        self.tell_lost(beyond, reason, cx);
        self.tell_passed_gap(true, cx);
        self.ack_soon(cx);
    }

    fn end_second_lives(&mut self, range: Option<SeqRange>, reason: LostReason, cx: &mut Context<'_, P>) {
        for (seq, id_hash) in range.map(|range| self.requeued.give_up(range)).unwrap_or_default() {
            self.seen.forget(id_hash);
            self.tell_lost(SeqRange::single(seq), reason, cx);
        }
    }

    fn tell_lost(&mut self, range: Option<SeqRange>, reason: LostReason, cx: &mut Context<'_, P>) {
        if let Some(range) = range {
            self.counters.lost += 1;
            cx.out.notice(Notice::Lost { subscription: self.id, range, reason });
        }
    }

    fn after_arrival(&mut self, before: Seq, cx: &mut Context<'_, P>) {
        self.heard = self.heard.max(self.cursor);
        self.report_soon(cx);
        self.tell_passed_gap(false, cx);
        self.gap.update(cx.now, self.heard > self.cursor, self.cursor > before, cx.config);
        if self.ended.is_some_and(|end| end <= self.cursor) && !self.ended_told {
            self.ended_told = true;
            cx.out.notice(Notice::Ended { subscription: self.id, seq: self.cursor });
            self.ack_soon(cx);
        }
    }

    fn tell_passed_gap(&mut self, lost: bool, cx: &mut Context<'_, P>) {
        if let Some(range) = self.gap.take_passed(self.cursor).filter(|_| !lost) {
            self.counters.repaired += 1;
            cx.out.notice(Notice::Repaired { subscription: self.id, range });
        }
    }

    // --- time ---

    pub fn handle_timeout(&mut self, cx: &mut Context<'_, P>) -> Result<(), Fault> {
        if !self.gap.is_due(cx.now) || self.phase != Phase::Live {
            return Ok(());
        }
        if self.gap.is_stuck(cx.config) {
            return Err(Fault::GapStuck);
        }
        let ranges = self.held.missing(self.cursor, self.heard, MAX_RANGES);
        let (Some(&hole), Some(epoch)) = (ranges.first(), self.epoch.clone()) else { return Ok(()) };
        self.counters.resends += 1;
        if let Some(range) = self.gap.asked(cx.now, hole) {
            self.counters.gaps += 1;
            cx.out.notice(Notice::Gap { subscription: self.id, range });
        }
        cx.out.frame(cx.socket, ClientFrame::Resend(Resend { stream: self.options.stream.clone(), epoch, ranges }));
        Ok(())
    }

    pub fn next_due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Offline => self.ask_due,
            Phase::Asked => None,
            Phase::Live => sooner(self.ack_due, self.gap.next_due()),
        }
    }
}

/// What the rest relies on: events in order, inside the range.
fn check_batch<P>(batch: &Batch<'_, P>) -> Result<(), Fault> {
    let mut last = batch.after;
    for head in batch.heads {
        if head.seq <= last || head.seq > batch.upto {
            return Err(Fault::Misbehaved(Phrase::OutOfOrder));
        }
        last = head.seq;
    }
    if batch.after > batch.upto { Err(Fault::Misbehaved(Phrase::AfterBeyondUpto)) } else { Ok(()) }
}
