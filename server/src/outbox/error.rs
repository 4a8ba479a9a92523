//! What can go wrong with an outbox.

use std::{convert::Infallible, fmt};

use crate::{fault::Fault, log::LogError};

/// The application's database, or the log, failed. Nothing was lost: what was committed stays in the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboxError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// What it is about and what to do.
    pub message: String,
}

impl OutboxError {
    pub(super) fn schema(found: &str) -> Self {
        let message = format!("the table of the outbox {found}: make it with ackwire_server::outbox::create");
        Self { fault: Fault::Schema, message }
    }

    pub(super) fn broken_off() -> Self {
        Self { fault: Fault::Other, message: "the relay's use of the application's database broke off".into() }
    }

    pub(super) fn closed() -> Self {
        Self { fault: Fault::Other, message: "the outbox was closed: start another".into() }
    }
}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        let fault = Fault::of(&error);
        let advice = match fault {
            Fault::Busy | Fault::Timeout => "somebody else is writing: try again",
            Fault::Connection => "see whether its disk is there, full or broken",
            Fault::Permission => "make it writable for this user",
            Fault::Schema => "see whether the program and the file are of the same version",
            Fault::DiskFull => "free some space",
            Fault::Damaged => "restore it from a backup",
            Fault::Other => "see what the statement says",
        };
        Self { fault, message: format!("the application's database failed ({error}): {advice}") }
    }
}

impl From<LogError> for OutboxError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable { fault, message } => Self { fault, message },
            refused => Self { fault: Fault::Other, message: refused.to_string() },
        }
    }
}

/// Why a transaction was rolled back. `E` is the application's own reason, if it has any.
#[derive(Debug, PartialEq, Eq)]
pub enum TransactError<E = Infallible> {
    /// The database failed, and trying again has not helped or would not.
    Database(OutboxError),
    /// The application decided so.
    Application(E),
}

impl<E> From<rusqlite::Error> for TransactError<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl<E> From<OutboxError> for TransactError<E> {
    fn from(error: OutboxError) -> Self {
        Self::Database(error)
    }
}

impl<E: fmt::Display> fmt::Display for TransactError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Application(reason) => reason.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TransactError<E> {}
