//! Settings of a session, with their defaults.

use crate::base::{Backoff, Duration};
use crate::wire::{ClientSession, ConsumerId, Filter, From, StreamName, Text, Window};

/// Settings of a session.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose confirmations are tracked.
    pub consumer: ConsumerId,
    /// Under which name the client numbers its connections, and the last number that it has used, so that a server knows the
    /// newest of them. Default: it does not. In the browser the facade does [AW-CONN-5].
    pub session: Option<ClientSession>,
    /// Name and version of the client, for the server's logs.
    pub agent: Text,
    /// Whether the application gives tokens: then one is asked for before each connection.
    pub has_token: bool,
    /// How long to wait between tries to connect. Default: 500 ms, doubling to 30 s, full jitter [AW-RETRY].
    pub reconnect: Backoff,
    /// After how many failed tries in a row to give up. Default: never.
    pub max_tries: Option<u32>,
    /// How long a try may take, from opening the socket to `welcome`. Default: 15 s.
    pub connect_timeout: Duration,
    /// How long a settled event may wait for its ack; one that settles alone does not, and one that settles after three
    /// quarters of it takes the ack along. Default: 50 ms [AW-ACK-3].
    pub ack_delay: Duration,
    /// How long a delivered or received position that has moved may wait to be told; a handler may take for ever.
    /// Default: 1 s [AW-ACK-8].
    pub report_delay: Duration,
    /// How often what to keep for the page's next life is told at most: storing it costs a browser more than receiving a
    /// hundred events. It is told with an ack, or after twice as long if none follows, so that it wakes no page that is
    /// awake anyway; when the page hides, flushes or closes, at once. Default: 100 ms.
    pub checkpoint_delay: Duration,
    /// How long a gap may be mere reordering. Default: 50 ms [AW-RECV-3].
    pub reorder_delay: Duration,
    /// How often the same gap is asked for before the session reconnects. Default: 5 [AW-RECV-3].
    pub max_resends: u32,
    /// How long an answer to a ping may take. Default: 5 s [AW-HEART-2].
    pub probe_timeout: Duration,
    /// How many ids of a stream are remembered. Default: 4,096 [AW-RECV-5].
    pub dedupe_window: usize,
    /// How many publishes may wait for their answer. Default: 1,000.
    pub max_outbox: usize,
    /// How many subscriptions there may be. Default: 100, as the server's.
    pub max_subscriptions: usize,
}

impl Config {
    /// The defaults.
    pub fn new(consumer: ConsumerId) -> Self {
        Self {
            consumer,
            session: None,
            agent: agent(),
            has_token: false,
            reconnect: Backoff { base: Duration::from_millis(500), max: Duration::from_secs(30) },
            max_tries: None,
            connect_timeout: Duration::from_secs(15),
            ack_delay: Duration::from_millis(50),
            report_delay: Duration::from_secs(1),
            checkpoint_delay: Duration::from_millis(100),
            reorder_delay: Duration::from_millis(50),
            max_resends: 5,
            probe_timeout: Duration::from_secs(5),
            dedupe_window: 4096,
            max_outbox: 1000,
            max_subscriptions: 100,
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn agent() -> Text {
    concat!("ackwire/", env!("CARGO_PKG_VERSION")).into()
}

/// The facade knows it.
#[cfg(target_arch = "wasm32")]
fn agent() -> Text {
    Text::GIVEN
}

/// What an application asks for.
#[derive(Clone, Debug)]
pub struct SubscribeOptions {
    /// Which stream.
    pub stream: StreamName,
    /// Where to begin. Default: [`From::Resume`].
    pub from: From,
    /// How much may be unsettled. Default: 1,024 events, 1 MiB.
    pub window: Window,
    /// Which events are wanted. Default: all.
    pub filter: Option<Filter>,
}

impl SubscribeOptions {
    /// The defaults.
    pub fn new(stream: StreamName) -> Self {
        Self { stream, from: From::default(), window: Window::default(), filter: None }
    }
}
