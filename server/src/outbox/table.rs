//! The table in the application's file.

use ackwire::wire::StreamName;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::task;

use super::OutboxError;
use crate::log::NewEvent;

/// As SQLite keeps the text of the statement, so that another version's is known by it.
const TABLE: &str = "ackwire_outbox (
    -- In the order of the commits: SQLite has one writer at a time, and AUTOINCREMENT gives none twice.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream   TEXT NOT NULL,
    -- As JSON, its id fixed.
    event    TEXT NOT NULL,
    -- Why the log does not take it; NULL while it waits.
    refused  TEXT
) STRICT";

/// Most events read together.
const BATCH_EVENTS: usize = 256;
/// Most bytes read together; one event is always allowed.
const BATCH_BYTES: usize = 4 << 20;

/// How long the relay's own connection waits for another; then it tries again later.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes the table `ackwire_outbox` in the application's database, if it is not there. Call it where the application
/// makes its own tables; it may be inside of a transaction.
pub fn create(connection: &Connection) -> Result<(), OutboxError> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {TABLE};
         CREATE INDEX IF NOT EXISTS ackwire_outbox_waiting ON ackwire_outbox (position) WHERE refused IS NULL;"
    ))?;
    check(connection)
}

/// Puts an event into the outbox, within whatever transaction the connection is in: it becomes visible in `stream` when
/// that commits. An id that the stream has already is the same event, and is not appended again.
pub fn append(connection: &Connection, stream: &StreamName, event: &NewEvent) -> Result<(), OutboxError> {
    let event = serde_json::to_string(event).expect("an event is JSON");
    let mut insert = connection.prepare_cached("INSERT INTO ackwire_outbox (stream, event) VALUES (?, ?)")?;
    insert.execute([stream.as_str(), &event])?;
    Ok(())
}

/// An event that was committed and that the log does not take: the stream has ended, say. It stays in the table until the
/// application [`discard`]s it; others do not wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its place in the table.
    pub position: i64,
    /// Where it was to go.
    pub stream: String,
    /// The event as JSON.
    pub event: String,
    /// What the log said.
    pub reason: String,
}

/// Up to `limit` events that were refused, oldest first, those after `after` (0: from the first).
pub fn refused(connection: &Connection, after: i64, limit: usize) -> Result<Vec<Refused>, OutboxError> {
    let mut select = connection.prepare_cached(
        "SELECT position, stream, event, refused FROM ackwire_outbox
         WHERE position > ? AND refused IS NOT NULL ORDER BY position LIMIT ?",
    )?;
    let rows = select.query_map(params![after, limit], |row| {
        Ok(Refused { position: row.get(0)?, stream: row.get(1)?, event: row.get(2)?, reason: row.get(3)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes a refused event; whether there was one.
pub fn discard(connection: &Connection, position: i64) -> Result<bool, OutboxError> {
    let mut delete =
        connection.prepare_cached("DELETE FROM ackwire_outbox WHERE position = ? AND refused IS NOT NULL")?;
    Ok(delete.execute([position])? > 0)
}

/// An event that waits. Who else writes into the table may have written anything.
pub(super) struct Row {
    pub position: i64,
    pub entry: Result<(StreamName, NewEvent), String>,
}

/// The relay's view of it.
pub(super) struct Table {
    path: PathBuf,
    /// Opened when needed, and anew after a failure.
    connection: Option<Connection>,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, OutboxError> {
        let connection = open(path)?;
        check(&connection)?;
        Ok(Self { path: path.to_owned(), connection: Some(connection) })
    }

    /// The first that wait.
    pub(super) async fn waiting(&mut self) -> Result<Vec<Row>, OutboxError> {
        self.run(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT position, stream, event FROM ackwire_outbox WHERE refused IS NULL ORDER BY position",
            )?;
            let (mut found, mut batch, mut bytes) = (select.query([])?, Vec::new(), 0);
            while let Some(row) = found.next()? {
                let (stream, event) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
                bytes += event.len();
                if batch.len() >= BATCH_EVENTS || (bytes > BATCH_BYTES && !batch.is_empty()) {
                    break;
                }
                batch.push(Row { position: row.get(0)?, entry: parse(stream, event) });
            }
            Ok(batch)
        })
        .await
    }

    /// Deletes what the log has, and notes what it refused.
    pub(super) async fn settle(&mut self, answered: Vec<i64>, refused: Vec<(i64, String)>) -> Result<(), OutboxError> {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut delete = transaction.prepare_cached("DELETE FROM ackwire_outbox WHERE position = ?")?;
                for position in &answered {
                    delete.execute([position])?;
                }
                let mut refuse =
                    transaction.prepare_cached("UPDATE ackwire_outbox SET refused = ? WHERE position = ?")?;
                for (position, reason) in &refused {
                    refuse.execute(params![reason, position])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// Runs `work` away from the tasks.
    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let (idle, path) = (self.connection.take(), self.path.clone());
        let working = task::spawn_blocking(move || {
            let mut connection = idle.map_or_else(|| open(&path), Ok)?;
            let result = work(&mut connection)?;
            Ok((result, connection))
        });
        let (result, connection) = working
            .await
            .map_err(|_| OutboxError::broken_off())?
            .map_err(|error: rusqlite::Error| OutboxError::from(error))?;
        self.connection = Some(connection);
        Ok(result)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Whether the table is the one that this program knows.
fn check(connection: &Connection) -> Result<(), OutboxError> {
    let found: Option<String> = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'ackwire_outbox'", [], |row| {
            row.get(0)
        })
        .optional()?;
    match found {
        Some(sql) if sql == format!("CREATE TABLE {TABLE}") => Ok(()),
        Some(_) => Err(OutboxError::schema("is another version's")),
        None => Err(OutboxError::schema("is not there")),
    }
}

fn parse(stream: &str, event: &str) -> Result<(StreamName, NewEvent), String> {
    let stream = StreamName::new(stream).map_err(|error| format!("the stream: {error}"))?;
    let event = serde_json::from_str(event).map_err(|error| format!("the event: {error}"))?;
    Ok((stream, event))
}
