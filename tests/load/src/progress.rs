//! Counting up to something, with a line a second.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::Outcome;

/// How often it is told how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Something that happens many times.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// It has happened.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// It has happened so many times more.
    pub fn add_many(&self, times: usize) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until it has happened so often; fails if it takes longer than `within`, or once something has `failed`.
    pub async fn reach(&self, wanted: usize, what: &str, within: Duration, failed: &Count) -> Outcome<()> {
        let end = Instant::now() + within;
        let mut told = 0;
        while self.get() < wanted {
            if failed.get() > 0 {
                return Err(format!("{} connections failed; the first says why above", failed.get()).into());
            }
            if Instant::now() > end {
                return Err(format!("{} of {wanted} {what} within {} s", self.get(), within.as_secs()).into());
            }
            let tick = Instant::now() + TELL_EVERY;
            let reached = async {
                while self.get() < wanted && failed.get() == 0 {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            // Either way it is looked at again.
            let _ = timeout_at(tick, reached).await;
            if self.get() != told {
                told = self.get();
                println!("  {told} of {wanted} {what}");
            }
        }
        Ok(())
    }
}
