//! What goes wrong with events, and when they are tried again: failures, deadlines, retries, dead letters.

use super::record::{DeadLetter, Phase, Record};
use super::tracker::{MAX_DEAD_LETTERS, Tracker, bound};
use super::{Config, Notice};
use crate::base::{Instant, Rng};
use crate::wire::{Seq, SeqRange};

/// What a nack or a missed deadline led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of an older attempt, of a settled event, or of one that nobody sent.
    Ignored,
    /// A retry is due.
    Waiting,
    /// No retries left, or none wanted.
    Dead,
}

/// What fell due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A retry is to go out.
    Retry(Seq),
    /// A deadline passed, and it was the last.
    Dead(Seq),
}

/// A failure as the consumer reports it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    pub seq: Seq,
    pub attempt: u32,
    pub error: &'a str,
    pub retry: bool,
}

impl Tracker {
    /// The handler failed [AW-ACK-5].
    pub(super) fn fail(&mut self, now: Instant, failure: Failed<'_>, config: &Config, rng: &mut Rng) -> Verdict {
        let Failed { seq, attempt, error, retry } = failure;
        let Some(record) = self.open.get_mut(&seq) else { return Verdict::Ignored };
        if attempt < record.attempt {
            return Verdict::Ignored;
        }
        // A crash took what was known of the retries in between, or the shell has sent it and has not said so yet.
        let is_news = record.attempt < attempt;
        if is_news {
            record.attempt = attempt;
            self.counters.retries += 1;
            self.notices.push_back(Notice::Retrying { seq, id: record.id.clone(), attempt });
            self.dirty = true;
        }
        match record.phase {
            Phase::Waiting { timed_out: false, .. } if retry && !is_news => Verdict::Waiting,
            Phase::Waiting { timed_out: true, retry_at } if retry && !is_news => {
                record.note_failure(now, error, false);
                // Its time may have come already, and brings one retry.
                (record.phase, record.since) = (Phase::Waiting { timed_out: false, retry_at }, now);
                self.dirty = true;
                Verdict::Waiting
            }
            _ => {
                record.note_failure(now, error, false);
                self.counters.failed += 1;
                self.retry_or_bury(now, seq, false, retry, config, rng)
            }
        }
    }

    /// A settled event that was sent again failed in this second life: it is unsettled again, and retried.
    pub(super) fn reopen(&mut self, seq: Seq, record: Record) {
        let Some(single) = SeqRange::single(seq) else { return };
        self.settled.remove(single);
        self.skipped.remove(single);
        self.vouched.remove(single);
        self.recent.retain(|confirmation| confirmation.seq != seq);
        self.open.insert(seq, record);
        self.dirty = true;
    }

    /// What is due by now. Deadlines that passed become timeouts here, and retries begin to wait.
    pub(super) fn handle_due(&mut self, now: Instant, config: &Config, rng: &mut Rng) -> Vec<Due> {
        let mut fallen = Vec::new();
        while let Some((at, seq)) = self.due.first().filter(|(at, _)| *at <= now) {
            SeqRange::single(seq).into_iter().for_each(|single| self.due.remove(at, single));
            let Some(record) = self.open.get_mut(&seq) else { continue };
            if let Phase::Waiting { .. } = record.phase {
                fallen.push(Due::Retry(seq));
                continue;
            }
            let deadline = record.terms.deadline(config).as_millis();
            record.note_failure(now, &format!("not confirmed within {deadline} ms"), true);
            self.counters.timeouts += 1;
            if self.retry_or_bury(now, seq, true, true, config, rng) == Verdict::Dead {
                fallen.push(Due::Dead(seq));
            }
        }
        fallen
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// The consumer has gone: no clock runs while it is away [AW-SEND-2].
    pub(super) fn stop_clocks(&mut self) {
        self.due.clear();
        for record in self.open.values_mut() {
            if let Phase::Unsettled { deadline } = &mut record.phase {
                *deadline = None;
            }
        }
    }

    /// The consumer is back: retries come when they are due, deadlines once the events were sent again.
    pub(super) fn start_clocks(&mut self, now: Instant, config: &Config) {
        for (&seq, record) in &mut self.open {
            if let Phase::Waiting { retry_at, .. } = &mut record.phase {
                // A clock that stepped back between two lives of the server must not hold up a retry.
                *retry_at = (*retry_at).min(now + config.retry_backoff.max);
                self.due.insert(*retry_at, seq);
            }
        }
    }

    pub(super) fn retry_or_bury(
        &mut self,
        now: Instant,
        seq: Seq,
        timed_out: bool,
        retry: bool,
        config: &Config,
        rng: &mut Rng,
    ) -> Verdict {
        let Some(record) = self.open.get(&seq) else { return Verdict::Ignored };
        let (id, priority, attempt, spent) = (record.id.clone(), record.priority, record.attempt, record.spent);
        if !retry || attempt - spent > record.terms.retries(config) {
            self.bury(now, seq);
            return Verdict::Dead;
        }
        let wait = config.retry_backoff.delay((attempt - spent).saturating_sub(1), rng);
        self.set_phase(now, seq, Phase::Waiting { timed_out, retry_at: now + wait });
        self.notices.push_back(if timed_out {
            Notice::Timeout { seq, id, priority, attempt, retry_in: wait }
        } else {
            Notice::Failed { seq, id, priority, attempt, retry_in: wait }
        });
        self.dirty = true;
        Verdict::Waiting
    }

    fn bury(&mut self, now: Instant, seq: Seq) {
        let Some(single) = SeqRange::single(seq) else { return };
        for (seq, record) in self.take_open(single, |_| true) {
            let Record { id, priority, attempt, failures, .. } = record;
            self.notices.push_back(Notice::Dead { seq, id: id.clone(), priority, attempt });
            if self.dead_letters.len() == MAX_DEAD_LETTERS {
                self.dead_letters.pop_front();
            }
            self.dead_letters.push_back(DeadLetter { seq, id, priority, attempt, at: now.as_millis(), failures });
            self.counters.dead += 1;
        }
        self.dead.insert(single);
        bound(&mut self.dead);
        self.untold.insert(single);
        bound(&mut self.untold);
        self.settle(single);
        self.vows += 1;
    }
}
