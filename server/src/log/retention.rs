//! How much of the past is kept.

use std::time::Duration;

/// What each stream keeps; what exceeds any bound is trimmed, oldest first. The default keeps every event.
///
/// The ids of trimmed events are forgotten: a producer that repeats one appends it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Most events of a stream. Default: no bound.
    pub events: Option<u64>,
    /// Most bytes of a stream, counted in the events' wire form; the newest event is kept in any case.
    /// Default: no bound.
    pub bytes: Option<u64>,
    /// Oldest age of an event, from the moment when it was appended. Default: no bound.
    pub age: Option<Duration>,
    /// How long a consumer that confirms nothing is remembered; then it resumes as a new one. Default: 30 days.
    pub consumers: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: None, bytes: None, age: None, consumers: Some(Duration::from_secs(30 * 24 * 60 * 60)) }
    }
}

impl Retention {
    /// Whether events are ever trimmed.
    pub(super) fn has_bounds(&self) -> bool {
        self.events.is_some() || self.bytes.is_some() || self.age.is_some()
    }

    /// Whether a stream that holds this much must let its oldest event go.
    pub(super) fn exceeded(&self, events: u64, bytes: u64, oldest_at: u64, now: u64) -> bool {
        self.events.is_some_and(|most| events > most)
            || (events > 1 && self.bytes.is_some_and(|most| bytes > most))
            || self.too_old(self.age, oldest_at, now)
    }

    /// Whether a consumer that was saved at `saved_at` is to be forgotten.
    pub(super) fn forgets(&self, saved_at: u64, now: u64) -> bool {
        self.too_old(self.consumers, saved_at, now)
    }

    fn too_old(&self, age: Option<Duration>, at: u64, now: u64) -> bool {
        age.is_some_and(|age| u128::from(now.saturating_sub(at)) > age.as_millis())
    }
}
