//! The tables, and how a connection is set up.

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::time::Duration;

use super::folder::{Folder, OpenError};

/// Each entry makes the next version out of the one before; `user_version` counts them.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE streams (
        id           INTEGER PRIMARY KEY,
        name         TEXT NOT NULL UNIQUE,
        epoch        TEXT NOT NULL,
        -- Of the newest event ever; trimming does not lower it, so that no seq is given twice.
        head         INTEGER NOT NULL,
        -- Of the newest event that was trimmed.
        trimmed_upto INTEGER NOT NULL,
        ended        INTEGER NOT NULL,
        -- How many events there are, and the length of their JSON.
        events       INTEGER NOT NULL,
        bytes        INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE events (
        stream    INTEGER NOT NULL REFERENCES streams (id),
        seq       INTEGER NOT NULL,
        id        TEXT NOT NULL,
        -- The server's clock, for retention by age.
        stored_at INTEGER NOT NULL,
        -- The wire form: JSON in ASCII, without `attempt`.
        json      TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX events_by_seq ON events (stream, seq);
    CREATE UNIQUE INDEX events_by_id ON events (stream, id);
    CREATE TABLE consumers (
        stream   INTEGER NOT NULL REFERENCES streams (id),
        -- Empty without tokens; a token's `sub` is not empty.
        subject  TEXT NOT NULL,
        consumer TEXT NOT NULL,
        state    TEXT NOT NULL,
        saved_at INTEGER NOT NULL,
        PRIMARY KEY (stream, subject, consumer)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX consumers_by_name ON consumers (consumer);
    -- One row, which a health check writes.
    CREATE TABLE checks (id INTEGER PRIMARY KEY CHECK (id = 1), checked_at INTEGER NOT NULL) STRICT;
"];

/// How long a connection waits for another; with one writer it hardly ever does.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many statements a connection keeps prepared: more than there are.
const STATEMENTS: usize = 32;

/// Opens the database for writing, and brings its tables up to date.
pub(super) fn open(folder: &Folder) -> Result<Connection, OpenError> {
    let unusable =
        |error: rusqlite::Error| OpenError::Unusable { folder: folder.path().to_owned(), problem: error.to_string() };
    let mut connection = Connection::open(folder.database()).map_err(unusable)?;
    set_up(&connection).map_err(unusable)?;
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unusable)?;
    if found > known {
        return Err(OpenError::TooNew { folder: folder.path().to_owned(), found, known });
    }
    migrate(&mut connection, found as usize).map_err(unusable)?;
    Ok(connection)
}

/// Opens the database for reading.
pub(super) fn open_reader(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Sync at every commit: what a producer was told survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A burst may make the write-ahead log long; give the space back afterwards.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)
}

fn migrate(connection: &mut Connection, found: usize) -> rusqlite::Result<()> {
    if found == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &MIGRATIONS[found..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}
