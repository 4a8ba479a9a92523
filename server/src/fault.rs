//! What kind of failure of a database it is: the one place that sorts SQLite's codes. The log and the outbox both go by
//! it.

use rusqlite::{Error, ErrorCode};
use serde::Serialize;

/// What is wrong with a database, as far as that says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Somebody else is writing, or two transactions stand in each other's way (SQLite undoes one instead of waiting
    /// for ever). Transient.
    Busy,
    /// The file cannot be opened, or its disk fails. Transient: a network disk, or too many open files.
    Connection,
    /// It took longer than was allowed, or was interrupted. Transient.
    Timeout,
    /// This process may not do that.
    Permission,
    /// The tables are not those that the program knows.
    Schema,
    /// There is no room left.
    DiskFull,
    /// The file is no database, or is one no longer.
    Damaged,
    /// The statement or its values were refused: a constraint, say. Whoever made them knows.
    Other,
}

impl Fault {
    /// Sorts a failure.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::SqliteFailure(failure, message) => Self::of_code(failure, message.as_deref()),
            Error::SqlInputError { error: failure, msg, .. } => Self::of_code(failure, Some(msg)),
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnIndex(_)
            | Error::InvalidColumnName(_)
            | Error::InvalidColumnType(..) => Self::Schema,
            Error::InvalidPath(_) => Self::Connection,
            _ => Self::Other,
        }
    }

    /// Whether the same may well succeed a moment later, without anybody doing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Connection | Self::Timeout)
    }

    fn of_code(failure: &rusqlite::ffi::Error, message: Option<&str>) -> Self {
        match failure.code {
            // Waiting for a lock had a deadline of its own.
            ErrorCode::DatabaseBusy if failure.extended_code == rusqlite::ffi::SQLITE_BUSY_TIMEOUT => Self::Timeout,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::OperationInterrupted => Self::Timeout,
            ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => Self::Connection,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
                Self::Permission
            }
            ErrorCode::DiskFull => Self::DiskFull,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged,
            ErrorCode::SchemaChanged | ErrorCode::TypeMismatch => Self::Schema,
            // SQLite has no code for these.
            ErrorCode::Unknown if message.is_some_and(names_what_is_not_there) => Self::Schema,
            _ => Self::Other,
        }
    }
}

fn names_what_is_not_there(message: &str) -> bool {
    ["no such table", "no such column", "has no column named"].iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, ffi};

    #[test]
    fn codes_are_sorted_by_what_to_do() {
        for (code, fault, transient) in [
            (ffi::SQLITE_BUSY, Fault::Busy, true),
            (ffi::SQLITE_BUSY_SNAPSHOT, Fault::Busy, true),
            (ffi::SQLITE_LOCKED, Fault::Busy, true),
            (ffi::SQLITE_BUSY_TIMEOUT, Fault::Timeout, true),
            (ffi::SQLITE_INTERRUPT, Fault::Timeout, true),
            (ffi::SQLITE_CANTOPEN, Fault::Connection, true),
            (ffi::SQLITE_IOERR_READ, Fault::Connection, true),
            (ffi::SQLITE_READONLY, Fault::Permission, false),
            (ffi::SQLITE_PERM, Fault::Permission, false),
            (ffi::SQLITE_AUTH, Fault::Permission, false),
            (ffi::SQLITE_FULL, Fault::DiskFull, false),
            (ffi::SQLITE_CORRUPT, Fault::Damaged, false),
            (ffi::SQLITE_NOTADB, Fault::Damaged, false),
            (ffi::SQLITE_SCHEMA, Fault::Schema, false),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Fault::Other, false),
        ] {
            let found = Fault::of(&Error::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!((found, found.is_transient()), (fault, transient), "{code}");
        }
    }

    #[test]
    fn what_is_not_there_is_a_matter_of_the_schema_and_a_slip_is_not() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1);").unwrap();
        let fault = |sql: &str| Fault::of(&database.execute_batch(sql).unwrap_err());
        assert_eq!(fault("INSERT INTO u VALUES (1)"), Fault::Schema);
        assert_eq!(fault("INSERT INTO t (b) VALUES (1)"), Fault::Schema);
        assert_eq!(fault("UPDATE t SET b = 1"), Fault::Schema);
        assert_eq!(fault("UPDATE t SET"), Fault::Other);
        let wrong_type = database.query_row("SELECT a FROM t", [], |row| row.get::<_, String>(0));
        assert_eq!(Fault::of(&wrong_type.unwrap_err()), Fault::Schema);
    }
}
