//! A hole in what arrived, and when to ask about it again.

use super::Config;
use crate::base::{Backoff, Duration, Instant};
use crate::wire::{Seq, SeqRange};

/// The ceiling doubles with each request; there is no jitter, for nobody else asks for the same gap.
const RESEND: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(16) };

/// The state of the first hole [AW-RECV-3].
///
/// Invariant: `tries` and `told` are of the hole that begins at the cursor.
#[derive(Debug, Default)]
pub(super) struct Gap {
    /// Timer: ask for what is missing.
    due: Option<Instant>,
    tries: u32,
    told: Option<SeqRange>,
}

impl Gap {
    /// After an input: does a hole remain?
    pub fn update(&mut self, now: Instant, open: bool, progress: bool, config: &Config) {
        if progress {
            self.tries = 0;
        }
        if !open {
            self.due = None;
        } else if self.due.is_none() || progress {
            self.due = Some(now + config.reorder_delay);
        }
    }

    /// The hole that was told, if the cursor has passed it.
    pub fn take_passed(&mut self, cursor: Seq) -> Option<SeqRange> {
        self.told.take_if(|told| told.upto() <= cursor)
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due
    }

    /// It is asked for. `Some` with the hole if the application has not been told of it.
    pub fn asked(&mut self, now: Instant, hole: SeqRange) -> Option<SeqRange> {
        self.due = Some(now + RESEND.ceiling(self.tries));
        self.tries += 1;
        if self.told.is_some() {
            return None;
        }
        self.told = Some(hole);
        self.told
    }

    pub fn is_stuck(&self, config: &Config) -> bool {
        self.tries >= config.max_resends
    }

    /// The connection is gone; what was told stays told.
    pub fn pause(&mut self) {
        self.due = None;
        self.tries = 0;
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
