//! What can go wrong with a log.

use crate::fault::Fault;

/// Why a log did not do what it was asked. Nothing of the call was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The stream is complete; whose fault: the producer's.
    #[error("the stream has ended and takes no more events")]
    StreamEnded,
    /// The stream has used up its sequence numbers (2^53−1).
    #[error("the stream is full: it has used every sequence number")]
    StreamFull,
    /// The log cannot be read or written now; trying again may help once the cause is gone.
    #[error("{message}")]
    Unavailable {
        /// What kind of cause it is.
        fault: Fault,
        /// What the cause is and what to do about it.
        message: String,
    },
}

impl LogError {
    /// The log does not work, and no database is to blame.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self::Unavailable { fault: Fault::Other, message: message.into() }
    }
}
