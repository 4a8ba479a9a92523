//! Every bound that the server sets on what others send, with its name and default.

use clap::{Args, builder::RangedU64ValueParser};
use std::time::Duration;

/// Most entries of an event's `meta` [AW-EVENT].
pub const MAX_META_ENTRIES: usize = 16;

/// Longest deadline of an event, in milliseconds: a day.
pub const MAX_DEADLINE_MS: u32 = 24 * 60 * 60 * 1000;

/// Most retries of an event.
pub const MAX_RETRIES: u32 = 100;

/// Most headers of a request.
pub const MAX_HEADERS: usize = 100;

/// Most bytes of a request's headers and its first line together.
pub const MAX_HEADER_BYTES: usize = 16 << 10;

/// Longest path and query of a request together, in bytes.
pub const MAX_URI_BYTES: usize = 8 << 10;

/// Largest body of a request other than an append, in bytes.
pub const MAX_SMALL_BODY_BYTES: usize = 16 << 10;

/// While so many frames wait for a connection's socket its feeds add no more: a slow connection slows its own reading of
/// the log.
pub const MAX_FEED_FRAMES: usize = 32;

/// The same for the bytes of these frames; one frame is always allowed.
pub const MAX_FEED_BYTES: usize = 1 << 20;

/// While so many frames wait for a connection's socket nothing more is read from it.
pub const MAX_WAITING_FRAMES: usize = 512;

/// While so many publishes of a connection wait for the log nothing more is read from it.
pub const MAX_PUBLISHES: usize = 64;

/// Retries of one connection that the application is asked for at a time; the next ones wait.
pub const MAX_ASKED_RETRIES: usize = 64;

/// Jobs of one connection for each subscription that it may have, beyond which nothing more is read from it. A
/// subscription needs two; what an earlier one began may not be over.
pub const JOBS_PER_SUBSCRIPTION: usize = 8;

/// Most consumers of a stream that are looked at for one answer, and that a log in memory remembers; there, the one that
/// was silent for longest is forgotten first.
pub const MAX_CONSUMERS: usize = 10_000;

/// Most streams of a consumer that are looked at for one answer.
pub const MAX_STREAMS_OF_CONSUMER: usize = 10_000;

/// Most events of a consumer that are looked at for a list: what lies beyond waits until the first of them are settled.
pub const MAX_LOOKED_AT: usize = 10_000;

/// Peers whose handshakes are counted at a time; the one that made none for longest is forgotten first.
pub const MAX_PEERS: usize = 16_384;

/// Connections whose last words the server waits to be read at a time; further ones just end.
pub const MAX_LINGERING: usize = 256;

/// An HTTP answer of so many bytes counts for [`Limits::max_answer_bytes`]; smaller ones are bounded by the connections.
pub const LARGE_ANSWER_BYTES: usize = 64 << 10;

/// What a client or a producer may ask for. Each is a flag and an environment variable.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Largest WebSocket frame from a client, in bytes (1 KiB to 64 MiB); larger ones close with 4413
    #[arg(long, env = "ACKWIRE_MAX_FRAME_BYTES", default_value = "262144", value_parser = bytes(1024, 64 << 20))]
    pub max_frame_bytes: usize,

    /// Largest `data` and `meta` of an event together, in bytes (1 KiB to 16 MiB)
    #[arg(long, env = "ACKWIRE_MAX_EVENT_BYTES", default_value = "131072", value_parser = bytes(1024, 16 << 20))]
    pub max_event_bytes: usize,

    /// Most events in one append (1 to 100000)
    #[arg(long, env = "ACKWIRE_MAX_BATCH_EVENTS", default_value = "1000", value_parser = bytes(1, 100_000))]
    pub max_batch_events: usize,

    /// Largest body of one append, in bytes (1 KiB to 256 MiB)
    #[arg(long, env = "ACKWIRE_MAX_BATCH_BYTES", default_value = "8388608", value_parser = bytes(1024, 256 << 20))]
    pub max_batch_bytes: usize,

    /// Most WebSocket connections at a time (1 to 1000000)
    #[arg(long, env = "ACKWIRE_MAX_CONNECTIONS", default_value = "10000", value_parser = bytes(1, 1_000_000))]
    pub max_connections: usize,

    /// Most WebSocket connections of one address at a time (1 to 1000000); see --peer-from
    #[arg(long, env = "ACKWIRE_MAX_CONNECTIONS_PER_PEER", default_value = "1000", value_parser = bytes(1, 1_000_000))]
    pub max_connections_per_peer: usize,

    /// Most WebSocket handshakes in a second, on average and over all clients (1 to 100000); more are answered with 429
    #[arg(long, env = "ACKWIRE_MAX_HANDSHAKES_PER_SECOND", default_value = "1000", value_parser = number(1, 100_000))]
    pub max_handshakes_per_second: u32,

    /// Most WebSocket handshakes at once (1 to 1000000)
    #[arg(long, env = "ACKWIRE_MAX_HANDSHAKE_BURST", default_value = "10000", value_parser = number(1, 1_000_000))]
    pub max_handshake_burst: u32,

    /// Most WebSocket handshakes of one address in a second, on average (1 to 100000); more are answered with 429; see
    /// --peer-from
    #[arg(long, env = "ACKWIRE_MAX_HANDSHAKES_PER_SECOND_PER_PEER", default_value = "100",
        value_parser = number(1, 100_000))]
    pub max_handshakes_per_second_per_peer: u32,

    /// Most WebSocket handshakes of one address at once (1 to 1000000)
    #[arg(long, env = "ACKWIRE_MAX_HANDSHAKE_BURST_PER_PEER", default_value = "1000",
        value_parser = number(1, 1_000_000))]
    pub max_handshake_burst_per_peer: u32,

    /// Most HTTP connections at a time besides WebSockets (1 to 1000000); further ones wait to be accepted
    #[arg(long, env = "ACKWIRE_MAX_HTTP_CONNECTIONS", default_value = "1024", value_parser = bytes(1, 1_000_000))]
    pub max_http_connections: usize,

    /// Most HTTP connections of one address at a time (1 to 1000000); more are closed at once. Not counted where
    /// --peer-from names a header: then connections are those of a proxy
    #[arg(long, env = "ACKWIRE_MAX_HTTP_CONNECTIONS_PER_PEER", default_value = "256",
        value_parser = bytes(1, 1_000_000))]
    pub max_http_connections_per_peer: usize,

    /// How long a connection may take for the headers of a request, and how long it is kept without one (100ms to 10m)
    #[arg(long, env = "ACKWIRE_HEADER_TIMEOUT", default_value = "30s", value_parser = patience)]
    pub header_timeout: Duration,

    /// How long a request may take for its body (100ms to 10m); longer ones are answered with 408
    #[arg(long, env = "ACKWIRE_BODY_TIMEOUT", default_value = "30s", value_parser = patience)]
    pub body_timeout: Duration,

    /// How long a client may take for an answer that does not go out at once (100ms to 10m); later its connection is closed
    #[arg(long, env = "ACKWIRE_ANSWER_TIMEOUT", default_value = "60s", value_parser = patience)]
    pub answer_timeout: Duration,

    /// Most bytes of answers of 64 KiB and more that wait for their readers at a time (1 MiB to 64 GiB); further ones are
    /// answered with 503
    #[arg(long, env = "ACKWIRE_MAX_ANSWER_BYTES", default_value = "268435456", value_parser = bytes(1 << 20, 64 << 30))]
    pub max_answer_bytes: usize,

    /// Most streams of a log in memory (1 to 10000000); a new one is refused. On disk the disk is the bound
    #[arg(long, env = "ACKWIRE_MAX_STREAMS", default_value = "100000", value_parser = bytes(1, 10_000_000))]
    pub max_streams: usize,

    /// Most subscriptions in memory at a time, of all connections; those that ended stay until they are saved (1 to
    /// 10000000)
    #[arg(long, env = "ACKWIRE_MAX_FEEDS", default_value = "100000", value_parser = bytes(1, 10_000_000))]
    pub max_feeds: usize,

    /// Most callers that wait for confirmations at a time (1 to 1000000)
    #[arg(long, env = "ACKWIRE_MAX_WAITERS", default_value = "1000", value_parser = bytes(1, 1_000_000))]
    pub max_waiters: usize,

    /// Most subscriptions of one connection (1 to 10000)
    #[arg(long, env = "ACKWIRE_MAX_SUBSCRIPTIONS", default_value = "100", value_parser = bytes(1, 10_000))]
    pub max_subscriptions: usize,

    /// Most frames from one connection in a second, on average (1 to 100000); more close with 4429
    #[arg(long, env = "ACKWIRE_MAX_MESSAGES_PER_SECOND", default_value = "5000", value_parser = number(1, 100_000))]
    pub max_messages_per_second: u32,

    /// Most frames from one connection at once (1 to 100000)
    #[arg(long, env = "ACKWIRE_MAX_MESSAGE_BURST", default_value = "10000", value_parser = number(1, 100_000))]
    pub max_message_burst: u32,

    /// Most publishes from one connection in a second, on average (1 to 100000); more are rejected, to be tried again
    #[arg(long, env = "ACKWIRE_MAX_PUBLISHES_PER_SECOND", default_value = "200", value_parser = number(1, 100_000))]
    pub max_publishes_per_second: u32,

    /// Most publishes from one connection at once (1 to 100000)
    #[arg(long, env = "ACKWIRE_MAX_PUBLISH_BURST", default_value = "400", value_parser = number(1, 100_000))]
    pub max_publish_burst: u32,

    /// How long a new connection may take for its `hello` (100ms to 5m); later ones close with 4408
    #[arg(long, env = "ACKWIRE_HELLO_DEADLINE", default_value = "10s", value_parser = hello_deadline)]
    pub hello_deadline: Duration,

    /// After how much silence the server pings (100ms to 10m)
    #[arg(long, env = "ACKWIRE_HEARTBEAT", default_value = "25s", value_parser = patience)]
    pub heartbeat: Duration,
}

fn bytes(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

fn number(least: u64, most: u64) -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(least..=most)
}

fn hello_deadline(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_millis(100), Duration::from_secs(5 * 60))
}

fn patience(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_millis(100), Duration::from_secs(10 * 60))
}

/// A span of time such as `500ms`, `10s` or `30d`, between two bounds.
pub(crate) fn span(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| format!("{error} (write 500ms, 10s, 5m, 30d)"))?;
    if (least..=most).contains(&span) {
        return Ok(span);
    }
    Err(format!("from {} to {}", humantime::format_duration(least), humantime::format_duration(most)))
}
