//! What a feed may be told.

use crate::base::{Backoff, Duration};

/// How a feed sends and what it does about events that are not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a consumer has, from sending to a live connection until it must have confirmed [AW-SEND-2].
    /// Default 30 s.
    pub deadline: Duration,
    /// How often an event that failed or timed out is sent again. Default 3.
    pub retries: u32,
    /// How long a retry waits. Default: up to 1 s, 2 s, 4 s, … 30 s, with full jitter.
    pub retry_backoff: Backoff,
    /// Whether the shell is asked to send retries, by [`Feed::poll_retry`](super::Feed::poll_retry), instead of the
    /// log's copy being sent again. Default no.
    pub ask_for_retries: bool,
    /// Most events of a frame at first [AW-SEND-5]. Default 64.
    pub frame_events: u32,
    /// Most bytes of a frame's events at first; one event is always allowed. Default 32 KiB.
    pub frame_bytes: u32,
    /// To how many times that frames may grow, as more of the window is used: up to a quarter of it, so that further frames
    /// are under way while one is handled. Default 8.
    pub frame_growth: u32,
    /// How much of a large window is used at first, and while confirmations are slow, in events: who takes long for each
    /// event shall not have more of them on its hands than it can confirm before their deadlines [AW-SEND-3]. Default 256.
    pub first_allowance: u32,
    /// The silence after which a mark is sent while something is unsettled [AW-SEND-7]; doubles to `max`.
    /// Default 1 s to 16 s.
    pub mark: Backoff,
    /// How long a frame that would list no event waits for one that does. Default 1 s.
    pub cover_delay: Duration,
    /// How long a failed read of the log waits before it is tried again. Default: up to 100 ms … 5 s.
    pub read_backoff: Backoff,
}

impl Default for Config {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            deadline: secs(30),
            retries: 3,
            retry_backoff: Backoff { base: secs(1), max: secs(30) },
            ask_for_retries: false,
            frame_events: 64,
            frame_bytes: 32 * 1024,
            frame_growth: 8,
            first_allowance: 256,
            mark: Backoff { base: secs(1), max: secs(16) },
            cover_delay: secs(1),
            read_backoff: Backoff { base: Duration::from_millis(100), max: secs(5) },
        }
    }
}
