//! The one place in the server that reads a clock.

use ackwire::base::Instant;
use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

#[allow(clippy::disallowed_methods, reason = "this is the place")]
static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Milliseconds on a clock that never steps back; its zero is the first call.
pub fn now() -> Instant {
    Instant::from_millis(START.elapsed().as_millis() as u64)
}

/// Milliseconds since 1970, for people and for what outlives the process; it may step.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_millis() as u64)
}
