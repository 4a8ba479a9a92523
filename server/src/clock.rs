//! The one place in the server that reads a clock.

use ackwire::base::Instant;
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The first call, on the clock that never steps back and in milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
static START: LazyLock<(std::time::Instant, u64)> = LazyLock::new(|| (std::time::Instant::now(), unix_ms()));

/// Milliseconds since 1970 as of the first call, and from there on a clock that never steps back: a time of one life of
/// the server means something in the next.
pub fn now() -> Instant {
    let (start, unix_ms) = *START;
    Instant::from_millis(unix_ms + start.elapsed().as_millis() as u64)
}

/// How long to sleep for it to be `due`; no time if it is past.
pub fn until(due: Instant) -> Duration {
    Duration::from_millis((due - now()).as_millis())
}

/// Milliseconds since 1970, for people and for what outlives the process; it may step.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_millis() as u64)
}
