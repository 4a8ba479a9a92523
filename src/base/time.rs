//! Time, as an argument. The core never reads a clock.

use std::ops::{Add, Sub};

/// A span of time in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Times `factor`, capped.
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

/// A point on a monotonic clock whose zero is the caller's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Milliseconds after the caller's zero.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the caller's zero.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; nothing if it lies ahead (clocks that step back are treated as standing still).
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// The earlier of two times that may never come.
pub fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_points_stop_at_their_ends() {
        let (early, late) = (Instant::from_millis(5), Instant::from_millis(12));
        assert_eq!((late - early, early - late), (Duration::from_millis(7), Duration::ZERO));
        assert_eq!(early + Duration::from_secs(1), Instant::from_millis(1005));
        assert_eq!(late + Duration::from_secs(u64::MAX), Instant::from_millis(u64::MAX));
        assert_eq!(Duration::from_secs(2).saturating_mul(3), Duration::from_millis(6000));
        assert_eq!(Duration::from_secs(2).saturating_mul(u64::MAX).as_millis(), u64::MAX);
        assert_eq!(
            [sooner(None, None), sooner(None, Some(late)), sooner(Some(late), None)],
            [None, Some(late), Some(late)]
        );
        assert_eq!([sooner(Some(early), Some(late)), sooner(Some(late), Some(early))], [Some(early); 2]);
    }
}
