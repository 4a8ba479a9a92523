//! Frames from the client to the server.

use serde::{Deserialize, Serialize};

use super::{ConsumerId, Epoch, EventId, Filter, InvalidName, Position, Seq, SeqRange, SessionId, StreamName, Text};

/// Where a subscription begins [AW-SUB-1].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FromRepr", into = "FromRepr")]
pub enum From {
    /// The oldest event that the log has.
    Start,
    /// After the head.
    Now,
    /// After what this consumer has confirmed.
    #[default]
    Resume,
    /// After this position, up to which everything is applied.
    Position(Position),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "`from` is \"start\", \"now\", \"resume\" or a position {epoch, seq}")]
enum FromRepr {
    Word(String),
    Position(Position),
}

impl TryFrom<FromRepr> for From {
    type Error = InvalidName;
    fn try_from(repr: FromRepr) -> Result<Self, InvalidName> {
        match repr {
            FromRepr::Position(position) => Ok(Self::Position(position)),
            FromRepr::Word(word) => match word.as_str() {
                "start" => Ok(Self::Start),
                "now" => Ok(Self::Now),
                "resume" => Ok(Self::Resume),
                _ => Err(InvalidName { rule: r#"from is "start", "now", "resume" or {epoch, seq}"# }),
            },
        }
    }
}

impl std::convert::From<From> for FromRepr {
    fn from(from: From) -> Self {
        match from {
            From::Start => Self::Word("start".into()),
            From::Now => Self::Word("now".into()),
            From::Resume => Self::Word("resume".into()),
            From::Position(position) => Self::Position(position),
        }
    }
}

/// How much may be sent and unsettled at a time [AW-SEND-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WindowRepr")]
pub struct Window {
    /// Events, 1 to 10,000.
    pub events: u32,
    /// Bytes, 1 KiB to 64 MiB.
    pub bytes: u32,
}

#[derive(Deserialize)]
struct WindowRepr {
    events: u32,
    bytes: u32,
}

impl Window {
    /// Most events that a window may grant.
    pub const MAX_EVENTS: u32 = 10_000;
    /// Fewest bytes that a window may grant.
    pub const MIN_BYTES: u32 = 1024;
    /// Most bytes that a window may grant.
    pub const MAX_BYTES: u32 = 64 * 1024 * 1024;

    /// Checks the bounds.
    pub fn new(events: u32, bytes: u32) -> Option<Self> {
        let valid = (1..=Self::MAX_EVENTS).contains(&events) && (Self::MIN_BYTES..=Self::MAX_BYTES).contains(&bytes);
        valid.then_some(Self { events, bytes })
    }
}

impl Default for Window {
    /// 1,024 events, 1 MiB.
    fn default() -> Self {
        Self { events: 1024, bytes: 1024 * 1024 }
    }
}

impl TryFrom<WindowRepr> for Window {
    type Error = InvalidName;
    fn try_from(repr: WindowRepr) -> Result<Self, InvalidName> {
        Self::new(repr.events, repr.bytes)
            .ok_or(InvalidName { rule: "a window is 1 to 10000 events and 1024 to 67108864 bytes" })
    }
}

/// Ask for a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Which stream.
    pub stream: StreamName,
    /// Where to begin.
    #[serde(default)]
    pub from: From,
    /// Ranges after the position that are applied too [AW-SUB-2].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<SeqRange>,
    /// How much may be unsettled.
    #[serde(default)]
    pub window: Window,
    /// Which events are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// Which of a client's connections this is [AW-CONN-5].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "ClientSessionRepr")]
pub struct ClientSession {
    /// Who numbers the connections.
    pub id: SessionId,
    /// Higher than those of its earlier connections; at most 2^53 - 1.
    pub connection: u64,
}

impl ClientSession {
    /// Whether it is an earlier connection of the same client; of different ones neither is.
    pub fn is_before(&self, other: &Self) -> bool {
        self.id == other.id && self.connection < other.connection
    }
}

#[derive(Deserialize)]
struct ClientSessionRepr {
    id: SessionId,
    connection: u64,
}

impl TryFrom<ClientSessionRepr> for ClientSession {
    type Error = &'static str;

    fn try_from(ClientSessionRepr { id, connection }: ClientSessionRepr) -> Result<Self, Self::Error> {
        if connection > Seq::MAX.get() {
            return Err("`connection` is above 2^53 - 1");
        }
        Ok(Self { id, connection })
    }
}

/// The first frame of a connection [AW-CONN-4].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who confirms.
    pub consumer: ConsumerId,
    /// Which of the client's connections this is; of those that do not say so the one that is heard last is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ClientSession>,
    /// What the application's token callback returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Text>,
    /// Name and version of the client.
    #[serde(default)]
    pub agent: Text,
    /// All subscriptions.
    #[serde(default)]
    pub subscriptions: Vec<Subscribe>,
}

impl std::fmt::Debug for Hello {
    /// Without the token [AW-CONN-3].
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("consumer", &self.consumer)
            .field("session", &self.session)
            .field("agent", &self.agent)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}

/// Events that are applied [AW-ACK-2], and how far the client has come otherwise [AW-ACK-8].
///
/// Invariant: what is named applied lies up to `delivered`, and `delivered ≤ received`; reading a frame checks it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "AckRepr")]
pub struct Ack {
    /// Which stream.
    pub stream: StreamName,
    /// Of which log.
    pub epoch: Epoch,
    /// Everything sent up to here.
    pub upto: Seq,
    /// And everything sent in these.
    pub also: Vec<SeqRange>,
    /// Everything up to here was handed to the application, or is accounted for otherwise. For showing only.
    pub delivered: Seq,
    /// The highest `upto` that was heard of. For showing only.
    pub received: Seq,
}

impl Ack {
    /// An ack of a client that has nothing beyond what it applied.
    pub fn new(stream: StreamName, epoch: Epoch, upto: Seq, also: Vec<SeqRange>) -> Self {
        let named = highest(upto, &also);
        Self { stream, epoch, upto, also, delivered: named, received: named }
    }

    /// The highest seq that it names as applied: what `delivered` is if the frame does not say.
    pub fn named(&self) -> Seq {
        highest(self.upto, &self.also)
    }
}

fn highest(upto: Seq, also: &[SeqRange]) -> Seq {
    also.iter().map(|range| range.upto()).fold(upto, Seq::max)
}

#[derive(Deserialize)]
struct AckRepr {
    stream: StreamName,
    epoch: Epoch,
    upto: Seq,
    #[serde(default)]
    also: Vec<SeqRange>,
    #[serde(default)]
    delivered: Option<Seq>,
    #[serde(default)]
    received: Option<Seq>,
}

impl TryFrom<AckRepr> for Ack {
    type Error = &'static str;
    fn try_from(repr: AckRepr) -> Result<Self, &'static str> {
        let AckRepr { stream, epoch, upto, also, delivered, received } = repr;
        let named = highest(upto, &also);
        let delivered = delivered.unwrap_or(named);
        let received = received.unwrap_or(delivered);
        match () {
            () if delivered < named => Err("`delivered` is at least what the ack names as applied"),
            () if received < delivered => Err("`received` is at least `delivered`"),
            () => Ok(Self { stream, epoch, upto, also, delivered, received }),
        }
    }
}

/// An event whose handler failed [AW-ACK-5].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// Which stream.
    pub stream: StreamName,
    /// Of which log.
    pub epoch: Epoch,
    /// Which event.
    pub seq: Seq,
    /// Which delivery of it.
    pub attempt: u32,
    /// What the handler said, at most [`MAX_ERROR_BYTES`](super::MAX_ERROR_BYTES).
    pub error: Text,
    /// Whether another try is wanted.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub retry: bool,
}

/// A requeued event that is applied [AW-SEND-9].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// Which stream.
    pub stream: StreamName,
    /// Of which log.
    pub epoch: Epoch,
    /// Which event.
    pub seq: Seq,
    /// The highest delivery of it that came.
    pub attempt: u32,
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// Exactly what is missing [AW-RECV-3].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// Which stream.
    pub stream: StreamName,
    /// Of which log.
    pub epoch: Epoch,
    /// 1 to 64 ranges, ascending.
    pub ranges: Vec<SeqRange>,
}

/// Outcome in an [`EventConfirmation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfirmStatus {
    /// Applied.
    Confirmed,
    /// The handler failed.
    Failed,
}

/// The simple form of confirming, for clients without the SDK [AW-ACK-7].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventConfirmation {
    /// Which event.
    pub event_id: EventId,
    /// What became of it.
    pub status: ConfirmStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a client says. `publish` is not here: the core never looks into what an application sends (in the browser
/// [`Outbox`](crate::receive) hands on a text that JavaScript wrote, natively the codec has `Publish`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The first frame.
    Hello(Hello),
    /// Ask for a stream.
    Subscribe(Subscribe),
    /// No more of this stream.
    Unsubscribe {
        /// Which stream.
        stream: StreamName,
    },
    /// Events that are applied.
    Ack(Ack),
    /// An event whose handler failed.
    Nack(Nack),
    /// A requeued event that is applied.
    Confirm(Confirm),
    /// Missing ranges.
    Resend(Resend),
    /// The simple form of confirming; the SDK in the browser has better ones.
    #[cfg(not(target_arch = "wasm32"))]
    EventConfirmation(EventConfirmation),
    /// A fresh token [AW-AUTH-2].
    Auth {
        /// The token.
        token: Text,
    },
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn aw_send_3_a_window_has_bounds() {
        let most = 64 * 1024 * 1024;
        for (events, bytes) in [(1, 1024), (10_000, most), (1, most), (10_000, 1024)] {
            assert_eq!(Window::new(events, bytes), Some(Window { events, bytes }));
        }
        for (events, bytes) in [(0, 1024), (10_001, 1024), (1, 1023), (1, most + 1)] {
            assert_eq!(Window::new(events, bytes), None, "{events}, {bytes}");
        }
    }

    #[test]
    fn aw_conn_3_what_is_logged_of_a_hello_has_no_token() {
        let hello: Hello = serde_json::from_str(r#"{"consumer":"c","token":"secret","agent":"a"}"#).unwrap();
        let logged = format!("{hello:?}");
        assert!(logged.contains(r#"consumer: "c""#) && logged.contains(r#"agent: "a""#), "{logged}");
        assert!(!logged.contains("secret"), "{logged}");
    }

    #[test]
    fn aw_conn_5_a_connection_is_before_a_later_one_of_the_same_client() {
        let session = |id, connection| ClientSession { id: SessionId::new(id).unwrap(), connection };
        assert!(session("one", 1).is_before(&session("one", 2)));
        for (id, connection) in [("one", 2), ("one", 1), ("other", 3)] {
            assert!(!session("one", 2).is_before(&session(id, connection)), "{id} {connection}");
        }
    }

    #[test]
    fn aw_ack_5_serde_writes_only_a_retry_that_is_not_wanted() {
        for (retry, written) in [(true, ""), (false, r#","retry":false"#)] {
            let text = format!(r#"{{"stream":"s","epoch":"e","seq":1,"attempt":2,"error":"no"{written}}}"#);
            let nack: Nack = serde_json::from_str(&text).unwrap();
            assert_eq!(nack.retry, retry);
            assert_eq!(serde_json::to_string(&nack).unwrap(), text);
        }
    }
}
