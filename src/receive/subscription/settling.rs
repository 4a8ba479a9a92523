//! What handlers made of events, and what the server is told of it [section 6 of `PROTOCOL.md`].

use super::{Context, Phase, Subscription};
use crate::base::{Duration, Instant};
use crate::receive::Outcome;
use crate::receive::confirmations::{Handling, Open, Settled};
use crate::wire::{Ack, ClientFrame, Confirm, MAX_RANGES, Nack, Seq, SeqRange};

/// Once so many events are settled and none is open, the ack waits no longer than [`LULL`]: the window may be full by its
/// bytes, or the server may use a part of it only, and nothing comes until the ack is there [AW-ACK-3].
const LULL_EVENTS: u32 = 16;
const LULL: Duration = Duration::from_millis(5);

impl<P: Clone> Subscription<P> {
    pub fn settle(&mut self, seq: Seq, attempt: u32, outcome: Outcome, cx: Option<&mut Context<'_, P>>) {
        if let Some(went_well) = self.requeued.settle(seq, attempt, &outcome) {
            return self.settled_again(seq, went_well, cx);
        }
        match self.open.settle(seq, attempt, outcome) {
            None => {}
            Some(Settled::Confirmed { critical }) => self.settled(1, critical, cx),
            Some(Settled::Failed) => {
                self.counters.failed += 1;
                if let Some(cx) = cx {
                    self.nack(seq, cx);
                }
            }
        }
    }

    fn settled_again(&mut self, seq: Seq, went_well: bool, cx: Option<&mut Context<'_, P>>) {
        let counter = if went_well { &mut self.counters.confirmed } else { &mut self.counters.failed };
        *counter += 1;
        match cx {
            Some(cx) if went_well => self.confirm(seq, cx),
            Some(cx) => self.nack(seq, cx),
            None => {}
        }
    }

    pub fn settle_run(&mut self, range: SeqRange, mut cx: Option<&mut Context<'_, P>>) {
        for (seq, delivered) in self.requeued.running(range) {
            self.settle(seq, delivered, Outcome::Confirmed, cx.as_deref_mut());
        }
        let (count, critical) = self.open.settle_run(range);
        if count > 0 {
            self.settled(count, critical, cx);
        }
    }

    fn settled(&mut self, count: u32, critical: bool, cx: Option<&mut Context<'_, P>>) {
        self.counters.confirmed += u64::from(count);
        self.fresh = self.fresh.saturating_add(count);
        let Some(cx) = cx else { return };
        // [AW-ACK-3]
        let is_idle = self.open.len() == 0;
        let (is_complete, is_alone) = (is_idle && self.ended_told, is_idle && cx.now >= self.busy_until);
        self.busy_until = cx.now + cx.config.ack_delay;
        let is_enough = self.fresh >= (self.options.window.events / 4).max(1);
        let wait = if critical || is_complete || is_alone || is_enough {
            Duration::ZERO
        } else if is_idle && self.fresh >= LULL_EVENTS {
            cx.config.ack_delay.min(LULL)
        } else {
            cx.config.ack_delay
        };
        self.ack_by(cx.now + wait);
        // A timer would wake the page for it.
        if self.ack_due.is_some_and(|due| due <= cx.now + Duration::from_millis(wait.as_millis() / 4)) {
            self.ack_by(cx.now);
        }
    }

    pub(super) fn ack_soon(&mut self, cx: &mut Context<'_, P>) {
        self.ack_by(cx.now + cx.config.ack_delay);
    }

    /// What was delivered and is not settled, or received and not delivered, is told in a while unless an ack comes first
    /// [AW-ACK-8].
    pub(super) fn report_soon(&mut self, cx: &mut Context<'_, P>) {
        if self.told != (self.cursor, self.heard) {
            self.ack_by(cx.now + cx.config.report_delay);
        }
    }

    fn ack_by(&mut self, due: Instant) {
        self.ack_due = Some(self.ack_due.map_or(due, |held| held.min(due)));
    }

    pub(super) fn nack(&mut self, seq: Seq, cx: &mut Context<'_, P>) {
        let Some(epoch) = self.epoch.clone().filter(|_| self.phase == Phase::Live) else { return };
        let open = || self.open.get(seq).map(|open: &Open| (open.attempt, &open.handling));
        let handling = self.requeued.handling(seq).or_else(open);
        let Some((attempt, Handling::Failed { error, retry })) = handling else { return };
        let (error, retry) = (error.clone(), *retry);
        let nack = Nack { stream: self.options.stream.clone(), epoch, seq, attempt, error, retry };
        cx.out.frame(cx.socket, ClientFrame::Nack(nack));
    }

    /// Says of a dead letter in its second life that it is applied.
    pub(super) fn confirm(&mut self, seq: Seq, cx: &mut Context<'_, P>) {
        let Some(epoch) = self.epoch.clone().filter(|_| self.phase == Phase::Live) else { return };
        let Some(attempt) = self.requeued.get(seq).map(|known| known.attempt) else { return };
        let stream = self.options.stream.clone();
        cx.out.frame(cx.socket, ClientFrame::Confirm(Confirm { stream, epoch, seq, attempt }));
    }

    /// Sends the ack that is due, or any that has something to say. Whether one was sent.
    pub fn flush_ack(&mut self, anyway: bool, cx: &mut Context<'_, P>) -> bool {
        let due = self.ack_due.is_some_and(|due| anyway || due <= cx.now);
        let Some(epoch) = self.epoch.clone().filter(|_| due && self.phase == Phase::Live) else { return false };
        self.ack_due = None;
        self.fresh = 0;
        let upto = self.open.settled(self.cursor);
        let also = self.open.also(self.cursor, MAX_RANGES);
        let (delivered, received) = (self.cursor, self.heard);
        self.told = (delivered, received);
        let stream = self.options.stream.clone();
        cx.out.frame(cx.socket, ClientFrame::Ack(Ack { stream, epoch, upto, also, delivered, received }));
        true
    }
}
