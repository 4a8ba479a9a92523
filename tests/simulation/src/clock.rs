//! The clocks of machines: each runs at its own rate, and may jump.

use ackwire::base::{Duration, Instant};

/// A rate of exactly one.
const TRUE_RATE: u64 = 1000;

/// A machine's clock, as a function of the true time. It may stand ahead or behind, run fast or slow, and jump ahead.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    since: Instant,
    reads: Instant,
    /// Local milliseconds in a true second.
    rate: u64,
}

impl Clock {
    /// A clock that reads `reads` now.
    pub fn new(now: Instant, reads: Instant) -> Self {
        Self { since: now, reads, rate: TRUE_RATE }
    }

    /// What it reads.
    pub fn read(&self, now: Instant) -> Instant {
        self.reads + Duration::from_millis(now.since(self.since).as_millis() * self.rate / TRUE_RATE)
    }

    /// The first moment at which it reads `due` or more.
    pub fn when(&self, due: Instant) -> Instant {
        let span = due.since(self.reads).as_millis();
        self.since + Duration::from_millis((span * TRUE_RATE).div_ceil(self.rate))
    }

    /// It jumps ahead.
    pub fn jump(&mut self, now: Instant, by: Duration) {
        *self = Self { since: now, reads: self.read(now) + by, rate: self.rate };
    }

    /// From now on it runs at so many milliseconds in a second.
    pub fn set_rate(&mut self, now: Instant, rate: u64) {
        *self = Self { since: now, reads: self.read(now), rate: rate.max(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Instant = Instant::from_millis;

    #[test]
    fn a_timer_is_due_when_its_clock_says_so() {
        for rate in [1, 950, 1000, 1049, 3000] {
            let mut clock = Clock::new(AT(70), AT(1_000_000));
            clock.set_rate(AT(500), rate);
            for due in [1_000_001, 1_000_500, 1_077_777] {
                let when = clock.when(AT(due));
                assert!(clock.read(when) >= AT(due), "rate {rate}");
            }
        }
    }

    #[test]
    fn jumps_ahead_and_goes_on() {
        let mut clock = Clock::new(AT(0), AT(100));
        clock.jump(AT(10), Duration::from_secs(60));
        assert_eq!(clock.read(AT(12)), AT(100 + 12 + 60_000));
        assert_eq!(clock.when(AT(5)), AT(10), "what is past is due at once");
    }
}
