//! How long to wait before trying again.

use super::{Duration, Rng};

/// Full jitter: a random time in [0, min(max, base·2^n)] (Brooker, "Exponential backoff and jitter", AWS, 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling of the first wait.
    pub base: Duration,
    /// The ceiling of any wait.
    pub max: Duration,
}

impl Backoff {
    /// The ceiling of the wait after `failures` earlier failures.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }

    /// The wait after `failures` earlier failures.
    pub fn delay(&self, failures: u32, rng: &mut Rng) -> Duration {
        Duration::from_millis(rng.up_to(self.ceiling(failures).as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_maximum_and_stays_there() {
        let backoff = Backoff { base: Duration::from_millis(500), max: Duration::from_secs(30) };
        let ceilings: Vec<u64> = [0, 1, 2, 5, 6, 63, 64, u32::MAX].map(|n| backoff.ceiling(n).as_millis()).to_vec();
        assert_eq!(ceilings, [500, 1000, 2000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn jitter_is_full() {
        let backoff = Backoff { base: Duration::from_millis(9), max: Duration::from_millis(9) };
        let mut rng = Rng::new(7);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[backoff.delay(3, &mut rng).as_millis() as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
    }
}
