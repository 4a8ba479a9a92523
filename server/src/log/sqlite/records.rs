//! Streams, events and consumers as rows. Whoever calls is inside a transaction.

use ackwire::{
    deliver::Entry,
    wire::{ConsumerId, Epoch, EventId, Seq, SeqRange, StreamName},
};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params, types::Type};
use std::{error::Error, sync::Arc};

use super::writer::Undone;
use crate::limits::{MAX_CONSUMERS, MAX_STREAMS_OF_CONSUMER};
use crate::log::{ConsumerKey, LogError, NewEvent, Page, PageLimit, Placed, Retention, Tail, new_epoch};

/// A stream, as its row says.
pub(super) struct Record {
    id: i64,
    pub(super) tail: Tail,
}

pub(super) fn find(connection: &Connection, stream: &StreamName) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached("SELECT id, epoch, head, trimmed_upto, ended, events, bytes FROM streams WHERE name = ?")?
        .query_row([stream.as_str()], Record::from_row)
        .optional()
}

pub(super) fn find_or_create(connection: &Connection, stream: &StreamName) -> rusqlite::Result<Record> {
    if let Some(record) = find(connection, stream)? {
        return Ok(record);
    }
    let epoch = new_epoch();
    connection
        .prepare_cached(
            "INSERT INTO streams (name, epoch, head, trimmed_upto, ended, events, bytes) VALUES (?, ?, 0, 0, 0, 0, 0)",
        )?
        .execute([stream.as_str(), epoch.as_str()])?;
    let tail = Tail { epoch, oldest: after(Seq::ZERO), head: Seq::ZERO, ended: false, events: 0, bytes: 0 };
    Ok(Record { id: connection.last_insert_rowid(), tail })
}

/// Up to `limit` streams after the given name, by name.
pub(super) fn streams(
    connection: &Connection,
    after: Option<&StreamName>,
    limit: usize,
) -> rusqlite::Result<Vec<(StreamName, Tail)>> {
    connection
        .prepare_cached(
            "SELECT id, epoch, head, trimmed_upto, ended, events, bytes, name FROM streams
             WHERE name > ? ORDER BY name LIMIT ?",
        )?
        .query_map(params![after.map_or("", |name| name.as_str()), limit], |row| {
            Ok((parsed(row, 7, StreamName::new)?, Record::from_row(row)?.tail))
        })?
        .collect()
}

impl Record {
    fn from_row(row: &Row) -> rusqlite::Result<Self> {
        let tail = Tail {
            epoch: parsed(row, 1, Epoch::new)?,
            head: seq(row, 2)?,
            oldest: after(seq(row, 3)?),
            ended: row.get(4)?,
            events: row.get(5)?,
            bytes: row.get(6)?,
        };
        Ok(Self { id: row.get(0)?, tail })
    }

    /// Writes the row.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Tail { oldest, head, ended, events, bytes, .. } = &self.tail;
        connection
            .prepare_cached(
                "UPDATE streams SET head = ?, trimmed_upto = ?, ended = ?, events = ?, bytes = ? WHERE id = ?",
            )?
            .execute(params![head.get(), oldest.before().get(), ended, events, bytes, self.id])
            .map(drop)
    }

    /// Adds the events that are not there yet, and returns them, too.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        events: &[NewEvent],
        now: u64,
    ) -> Result<(Vec<Placed>, Vec<Arc<Entry>>), Undone> {
        let mut insert = connection
            .prepare_cached("INSERT INTO events (stream, seq, id, stored_at, json) VALUES (?, ?, ?, ?, ?)")?;
        let (mut placed, mut added) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
        for event in events {
            let id = event.id.clone();
            if let Some(seq) = self.find(connection, &id)? {
                placed.push(Placed { id, seq, duplicate: true });
                continue;
            }
            if self.tail.ended {
                return Err(LogError::StreamEnded.into());
            }
            let seq = self.tail.head.next().ok_or(LogError::StreamFull)?;
            let entry = event.clone().at(seq);
            insert.execute(params![self.id, seq.get(), id.as_str(), now, entry.json()])?;
            self.tail.head = seq;
            self.tail.events += 1;
            self.tail.bytes += entry.bytes() as u64;
            placed.push(Placed { id, seq, duplicate: false });
            added.push(Arc::new(entry));
        }
        Ok((placed, added))
    }

    pub(super) fn find(&self, connection: &Connection, id: &EventId) -> rusqlite::Result<Option<Seq>> {
        connection
            .prepare_cached("SELECT seq FROM events WHERE stream = ? AND id = ?")?
            .query_row(params![self.id, id.as_str()], |row| seq(row, 0))
            .optional()
    }

    pub(super) fn read(&self, connection: &Connection, range: SeqRange, limit: PageLimit) -> rusqlite::Result<Page> {
        let mut statement = connection
            .prepare_cached("SELECT json FROM events WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq")?;
        // Rows are read one by one, so the limit needs no place in the query.
        let wanted = params![self.id, range.after().get(), range.upto().get()];
        let mut upto = range.upto().min(self.tail.head).max(range.after());
        let (mut entries, mut bytes) = (Vec::<Arc<Entry>>::new(), 0);
        for entry in entries_of(&mut statement, wanted)? {
            let entry = entry?;
            bytes += entry.bytes();
            if let Some(last) = entries.last()
                && (entries.len() >= limit.events || bytes > limit.bytes)
            {
                upto = last.seq();
                break;
            }
            entries.push(Arc::new(entry));
        }
        Ok(Page { epoch: self.tail.epoch.clone(), entries, upto, oldest: self.tail.oldest, compacted: Vec::new() })
    }

    /// Lets go what exceeds the retention, `most` events at a time; whether there was any. The row is not saved yet.
    pub(super) fn trim(
        &mut self,
        connection: &Connection,
        retention: &Retention,
        now: u64,
        most: usize,
    ) -> rusqlite::Result<bool> {
        if !retention.has_bounds() {
            return Ok(false);
        }
        let mut statement = connection.prepare_cached(
            "SELECT seq, stored_at, length(json) FROM events WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT ?",
        )?;
        let mut rows = statement.query(params![self.id, self.tail.oldest.get(), most])?;
        let mut upto = None;
        while let Some(row) = rows.next()? {
            if !retention.exceeded(self.tail.events, self.tail.bytes, row.get(1)?, now) {
                break;
            }
            upto = Some(seq(row, 0)?);
            self.tail.events -= 1;
            self.tail.bytes -= row.get::<_, u64>(2)?;
        }
        let Some(upto) = upto else { return Ok(false) };
        self.tail.oldest = after(upto);
        connection
            .prepare_cached("DELETE FROM events WHERE stream = ? AND seq <= ?")?
            .execute(params![self.id, upto.get()])?;
        Ok(true)
    }

    pub(super) fn save_consumer(
        &self,
        connection: &Connection,
        consumer: &ConsumerKey,
        state: &str,
        now: u64,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO consumers (stream, subject, consumer, state, saved_at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET state = excluded.state, saved_at = excluded.saved_at",
            )?
            .execute(params![self.id, subject(consumer), consumer.consumer.as_str(), state, now])
            .map(drop)
    }
}

pub(super) fn load_consumer(
    connection: &Connection,
    stream: &StreamName,
    consumer: &ConsumerKey,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT state FROM consumers JOIN streams ON streams.id = consumers.stream
             WHERE name = ? AND subject = ? AND consumer = ?",
        )?
        .query_row([stream.as_str(), subject(consumer), consumer.consumer.as_str()], |row| row.get(0))
        .optional()
}

pub(super) fn consumers(connection: &Connection, stream: &StreamName) -> rusqlite::Result<Vec<(ConsumerKey, String)>> {
    connection
        .prepare_cached(
            "SELECT subject, consumer, state FROM consumers JOIN streams ON streams.id = consumers.stream
             WHERE name = ? ORDER BY subject, consumer LIMIT ?",
        )?
        .query_map(params![stream.as_str(), MAX_CONSUMERS], |row| {
            let subject = Some(row.get::<_, String>(0)?).filter(|subject| !subject.is_empty());
            Ok((ConsumerKey { subject, consumer: parsed(row, 1, ConsumerId::new)? }, row.get(2)?))
        })?
        .collect()
}

pub(super) fn streams_of(connection: &Connection, consumer: &ConsumerId) -> rusqlite::Result<Vec<StreamName>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT name FROM consumers JOIN streams ON streams.id = consumers.stream
             WHERE consumer = ? ORDER BY name LIMIT ?",
        )?
        .query_map(params![consumer.as_str(), MAX_STREAMS_OF_CONSUMER], |row| parsed(row, 0, StreamName::new))?
        .collect()
}

/// Forgets who was saved before that moment.
pub(super) fn forget_consumers(connection: &Connection, before: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM consumers WHERE saved_at < ?")?.execute([before]).map(drop)
}

/// Writes something, to see whether that works.
pub(super) fn note_check(connection: &Connection, now: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO checks VALUES (1, ?) ON CONFLICT DO UPDATE SET checked_at = excluded.checked_at")?
        .execute([now])
        .map(drop)
}

fn entries_of<'a>(
    statement: &'a mut Statement,
    wanted: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<impl Iterator<Item = rusqlite::Result<Entry>> + 'a> {
    statement.query_map(wanted, |row| Entry::from_json(row.get_ref(0)?.as_str()?).map_err(|error| unreadable(0, error)))
}

fn subject(consumer: &ConsumerKey) -> &str {
    consumer.subject.as_deref().unwrap_or("")
}

/// The seq after it; at the very end of the numbers, that one again.
fn after(seq: Seq) -> Seq {
    seq.next().unwrap_or(Seq::MAX)
}

fn seq(row: &Row, column: usize) -> rusqlite::Result<Seq> {
    Seq::new(row.get(column)?).map_err(|error| unreadable(column, error))
}

fn parsed<T, E: Error + Send + Sync + 'static>(
    row: &Row,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

/// Somebody else wrote into the file.
fn unreadable(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
