//! Frames that came early.

use super::Head;
use crate::wire::{LostReason, Seq, SeqRange};

/// What a held frame says of its range.
#[derive(Clone, Debug)]
pub(super) enum HeldKind<P> {
    Events { heads: Vec<Head>, payload: P },
    Lost(LostReason),
}

#[derive(Clone, Debug)]
pub(super) struct HeldFrame<P> {
    pub range: SeqRange,
    pub kind: HeldKind<P>,
}

impl<P> HeldFrame<P> {
    fn events(&self) -> usize {
        match &self.kind {
            HeldKind::Events { heads, .. } => heads.len(),
            HeldKind::Lost(_) => 0,
        }
    }
}

/// The reorder buffer: frames that lie beyond the cursor, by the start of their range. Bounded in frames and events
/// [AW-RECV-4]: what lies furthest ahead is let go first, for it is needed last.
#[derive(Debug)]
pub(super) struct Held<P> {
    /// Descending, so that the first is taken from the end.
    frames: Vec<HeldFrame<P>>,
    events: usize,
    max_events: usize,
}

/// Most frames held, whatever they list.
pub const MAX_HELD_FRAMES: usize = 1024;

impl<P> Held<P> {
    pub fn new(max_events: usize) -> Self {
        Self { frames: Vec::new(), events: 0, max_events }
    }

    /// Keeps a frame. One that says nothing new is dropped.
    pub fn insert(&mut self, frame: HeldFrame<P>) {
        let at = self.frames.partition_point(|held| held.range.after() >= frame.range.after());
        let covers =
            |held: &HeldFrame<P>| held.range.after() <= frame.range.after() && held.range.upto() >= frame.range.upto();
        // Its neighbours: one may begin with it, the next begins before it.
        if self.frames[at.saturating_sub(1)..].iter().take(2).any(covers) {
            return;
        }
        self.events += frame.events();
        self.frames.insert(at, frame);
        while self.frames.len() > 1 && (self.events > self.max_events || self.frames.len() > MAX_HELD_FRAMES) {
            self.events -= self.frames.remove(0).events();
        }
    }

    /// The first frame, if it continues what is accounted for up to `cursor`.
    pub fn pop_ready(&mut self, cursor: Seq) -> Option<HeldFrame<P>> {
        self.pop_if(|frame| frame.range.after() <= cursor)
    }

    /// The first frame, if it begins before `upto`.
    pub fn pop_before(&mut self, upto: Seq) -> Option<HeldFrame<P>> {
        self.pop_if(|frame| frame.range.after() < upto)
    }

    /// What is neither held nor accounted for in (cursor, heard], at most `max` ranges, ascending.
    pub fn missing(&self, cursor: Seq, heard: Seq, max: usize) -> Vec<SeqRange> {
        let mut missing = Vec::new();
        let mut at = cursor;
        for frame in self.frames.iter().rev() {
            if missing.len() == max {
                return missing;
            }
            missing.extend(SeqRange::new(at, frame.range.after().min(heard)));
            at = at.max(frame.range.upto());
        }
        if missing.len() < max {
            missing.extend(SeqRange::new(at, heard));
        }
        missing
    }

    /// Of the frames with events.
    #[cfg(target_arch = "wasm32")]
    pub fn payloads(&self) -> impl Iterator<Item = P>
    where
        P: Copy,
    {
        self.frames.iter().filter_map(|frame| match frame.kind {
            HeldKind::Events { payload, .. } => Some(payload),
            HeldKind::Lost(_) => None,
        })
    }

    pub fn clear(&mut self) {
        self.frames.clear();
        self.events = 0;
    }

    pub fn len(&self) -> usize {
        self.events
    }

    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    fn pop_if(&mut self, wanted: impl Fn(&HeldFrame<P>) -> bool) -> Option<HeldFrame<P>> {
        let frame = self.frames.pop_if(|frame| wanted(frame))?;
        self.events -= frame.events();
        Some(frame)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod model;
