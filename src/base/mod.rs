//! What both ends stand on: time as an argument, sets of ranges, backoff, seeded randomness, named timers.

mod backoff;
mod range_set;
mod rng;
mod time;

pub use backoff::Backoff;
pub use range_set::RangeSet;
pub use rng::Rng;
pub use time::{Duration, Instant, sooner};

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use range_set::model::runs;
