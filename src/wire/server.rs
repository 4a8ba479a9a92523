//! Frames from the server to the client. `events` is apart, as [`decode_events`](super::decode_events) natively and as
//! [`Batch`](crate::receive::Batch) in the receiving core: payloads never pass through the control path.

use serde::{Deserialize, Serialize};

use super::{ConsumerId, Epoch, EventId, GivenId, GivenStream, Position, Seq, StreamName, Text};

/// Name and version of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its name.
    pub name: Text,
    /// Its version.
    pub version: Text,
}

/// The connection is open to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's name for this connection, for its logs.
    pub connection: Text,
    /// Whose confirmations are tracked.
    pub consumer: ConsumerId,
    /// After how much silence the server pings, in milliseconds.
    pub heartbeat_ms: u32,
    /// Largest frame that the server takes, in bytes.
    pub max_frame_bytes: u32,
    /// How long the token lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_in_ms: Option<u64>,
    /// Who answers.
    pub server: ServerInfo,
}

/// Why a range never comes [AW-RECV-6].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LostReason {
    /// Retention took it.
    Expired,
    /// Compaction took it.
    Compacted,
    /// It failed for good for this consumer.
    Failed,
}

impl LostReason {
    /// As on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Compacted => "compacted",
            Self::Failed => "failed",
        }
    }
}

/// A lost range, `(after, upto]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRange {
    /// Exclusive start.
    pub after: Seq,
    /// Inclusive end.
    pub upto: Seq,
    /// Why.
    pub reason: LostReason,
}

/// Where a feed begins [AW-SUB-3].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Which stream.
    pub stream: StreamName,
    /// Which log.
    pub epoch: Epoch,
    /// The feed begins after this.
    pub after: Seq,
    /// The end of the log.
    pub head: Seq,
    /// The least seq that the log may still hold.
    pub oldest: Seq,
    /// Events up to this are history.
    pub replayed_upto: Seq,
    /// The position asked for, if it is void [AW-SUB-5].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Position>,
    /// What the log no longer holds of what was asked for [AW-SUB-4].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostRange>,
}

/// Why a request failed (the table in section 8 of `PROTOCOL.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The stream's name is malformed.
    InvalidStream,
    /// The request is malformed.
    InvalidRequest,
    /// The token does not allow this.
    Forbidden,
    /// No such stream.
    UnknownStream,
    /// No such event was sent to this consumer.
    UnknownEvent,
    /// The limit of subscriptions was met.
    TooManySubscriptions,
    /// The limit of requests was met.
    TooManyRequests,
    /// A limit of size was met.
    TooLarge,
    /// The stream takes no more events.
    StreamEnded,
    /// The log cannot be read or written now.
    Unavailable,
    /// A code that this version does not know.
    #[serde(other)]
    Other,
}

impl ErrorCode {
    /// As on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidStream => "invalid_stream",
            Self::InvalidRequest => "invalid_request",
            Self::Forbidden => "forbidden",
            Self::UnknownStream => "unknown_stream",
            Self::UnknownEvent => "unknown_event",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::TooManyRequests => "too_many_requests",
            Self::TooLarge => "too_large",
            Self::StreamEnded => "stream_ended",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        }
    }

    /// All that this version knows, in their order.
    const ALL: [ErrorCode; 10] = [
        ErrorCode::InvalidStream,
        ErrorCode::InvalidRequest,
        ErrorCode::Forbidden,
        ErrorCode::UnknownStream,
        ErrorCode::UnknownEvent,
        ErrorCode::TooManySubscriptions,
        ErrorCode::TooManyRequests,
        ErrorCode::TooLarge,
        ErrorCode::StreamEnded,
        ErrorCode::Unavailable,
    ];

    /// From the wire; what is unknown is [`Other`](Self::Other).
    pub fn parse(code: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.as_str() == code).unwrap_or(Self::Other)
    }

    /// By its place among all; beyond them it is [`Other`](Self::Other).
    pub fn from_index(index: u32) -> Self {
        Self::ALL.get(index as usize).copied().unwrap_or(Self::Other)
    }

    /// Whether the same request may succeed later [AW-PUB-2].
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::TooManyRequests)
    }
}

/// What a server says, but for `events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The connection is open to use.
    Welcome(Welcome),
    /// Where a feed begins.
    Subscribed(Subscribed),
    /// A range that never comes.
    Lost {
        /// Which stream.
        stream: StreamName,
        /// Which range, and why.
        #[serde(flatten)]
        range: LostRange,
    },
    /// The stream is complete.
    Ended {
        /// Which stream.
        stream: StreamName,
        /// After this seq.
        seq: Seq,
    },
    /// A `publish` is in the log.
    Published {
        /// The event's id.
        id: EventId,
        /// Which stream.
        stream: StreamName,
        /// Where.
        seq: Seq,
        /// Whether the log had it already.
        duplicate: bool,
    },
    /// A `publish` was refused.
    Rejected {
        /// The event's id, as it was given.
        id: GivenId,
        /// The stream, as it was given.
        stream: GivenStream,
        /// Why.
        code: ErrorCode,
        /// In words.
        message: Text,
    },
    /// A fresh token was accepted.
    Authenticated {
        /// How long it lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
    },
    /// A request failed; the connection lives.
    Error {
        /// Why.
        code: ErrorCode,
        /// In words.
        message: Text,
        /// The stream concerned, as it was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<GivenStream>,
    },
    /// This server is going away.
    Drain {
        /// Reconnect within this time.
        reconnect_in_ms: u32,
    },
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_read_as_they_are_written() {
        let known = [
            "invalid_stream",
            "invalid_request",
            "forbidden",
            "unknown_stream",
            "unknown_event",
            "too_many_subscriptions",
            "too_many_requests",
            "too_large",
            "stream_ended",
            "unavailable",
        ];
        for code in known {
            assert_eq!(ErrorCode::parse(code).as_str(), code);
            assert_ne!(ErrorCode::parse(code), ErrorCode::Other);
        }
        assert_eq!(ErrorCode::parse("of_tomorrow"), ErrorCode::Other);
        assert_eq!(ErrorCode::parse("of_tomorrow").as_str(), "other");
    }

    #[test]
    fn aw_pub_2_only_what_may_pass_is_tried_again() {
        let retryable = ["unavailable", "too_many_requests"].map(ErrorCode::parse);
        assert!(retryable.into_iter().all(ErrorCode::is_retryable));
        let final_ones = ["forbidden", "too_large", "stream_ended", "unknown_stream", "other"].map(ErrorCode::parse);
        assert!(!final_ones.into_iter().any(ErrorCode::is_retryable));
    }
}
