//! What the WebSocket layer could not read, and what the client is told of it.

use tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
};

/// RFC 6455, 7.4.1: a frame that breaks the WebSocket protocol.
const PROTOCOL_ERROR: u16 = 1002;
/// RFC 6455, 7.4.1: a text that is not UTF-8.
const INVALID_PAYLOAD: u16 = 1007;

/// Why nothing more is read from a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A message is larger than what is even read.
    Oversized,
    /// The client broke the WebSocket protocol: to be closed with this code and reason.
    Violation(u16, String),
    /// Nobody is there to be told.
    Broken,
}

impl Fault {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Self::Oversized,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Broken,
            Error::Protocol(violation) => Self::Violation(PROTOCOL_ERROR, violation.to_string()),
            Error::Utf8(_) => Self::Violation(INVALID_PAYLOAD, "a text is UTF-8".into()),
            _ => Self::Broken,
        }
    }
}
