//! What the scripts take and answer, in the log's own words.

use ackwire::{
    deliver::Entry,
    wire::{ConsumerId, Epoch, Event, Seq, SeqRange, StreamName},
};
use std::{fmt::Display, sync::Arc};

use super::super::{self as log, ConsumerKey, LogError, NewEvent, Page, Placed, Tail};
use crate::{fault::Fault, log::EventId};

/// Stands between the parts of a name in Redis; no stream's and no consumer's has it.
const NUL: char = '\0';

/// Epoch, head, trimmed up to, ended, events, bytes.
pub(super) type Described = (String, u64, u64, u8, u64, u64);

/// Epoch, then for each event its seq and whether the stream had it.
pub(super) type Appended = (String, Vec<u64>);

/// Where the stream stands, holes, whether the limit cut it, then seqs and texts in turn.
pub(super) type Read = (Described, String, u8, Vec<String>);

/// How an event's wire form begins, before its seq.
const BEGIN: &str = "{\"seq\":";

/// An event as it is kept: the part of its wire form after the seq, which Redis gives.
pub(super) fn to_text(event: NewEvent) -> String {
    let entry = event.at(Seq::new(1).expect("1 is a seq"));
    entry.json().strip_prefix(BEGIN).and_then(|json| json.strip_prefix('1')).expect("seq is the first field").to_owned()
}

fn from_text(seq: &str, text: &str) -> Result<Entry, LogError> {
    let event: Event = serde_json::from_str(&format!("{BEGIN}{seq}{text}")).map_err(unreadable)?;
    Ok(Entry::new(event))
}

pub(super) fn tail((epoch, head, trimmed, ended, events, bytes): Described) -> Result<Tail, LogError> {
    let (head, oldest) = (seq(head)?, after(seq(trimmed)?));
    Ok(Tail { epoch: self::epoch(&epoch)?, oldest, head, ended: ended != 0, events, bytes })
}

pub(super) fn appended((epoch, places): Appended, ids: Vec<EventId>) -> Result<log::Appended, LogError> {
    let places = places.chunks_exact(2).zip(ids);
    let events = places.map(|(place, id)| Ok(Placed { id, seq: seq(place[0])?, duplicate: place[1] != 0 }));
    Ok(log::Appended { epoch: self::epoch(&epoch)?, events: events.collect::<Result<_, LogError>>()? })
}

pub(super) fn tail_of(read: &Read) -> Result<Tail, LogError> {
    tail(read.0.clone())
}

/// Whether there is more than was read.
pub(super) fn is_cut(read: &Read) -> bool {
    read.2 != 0
}

pub(super) fn page(read: Read, range: SeqRange) -> Result<Page, LogError> {
    let (described, holes, is_cut, entries) = read;
    let Tail { epoch, head, oldest, .. } = tail(described)?;
    let entries = entries.chunks_exact(2).map(|entry| from_text(&entry[0], &entry[1]).map(Arc::new));
    let entries: Vec<Arc<Entry>> = entries.collect::<Result<_, _>>()?;
    let upto = match entries.last() {
        Some(cut) if is_cut != 0 => cut.seq(),
        _ => range.upto().min(head).max(range.after()),
    };
    let mut compacted = Vec::new();
    for hole in holes.split_ascii_whitespace() {
        let (after, end) = hole.split_once('-').ok_or_else(|| unreadable("a hole without an end"))?;
        let (after, end) = (after.parse().map_err(unreadable)?, end.parse().map_err(unreadable)?);
        // As far as the page goes.
        compacted.extend(SeqRange::new(seq(after)?.max(range.after()), seq(end)?.min(upto)));
    }
    Ok(Page { epoch, entries, upto, oldest, compacted })
}

/// A consumer's name in Redis.
pub(super) fn who(key: &ConsumerKey) -> String {
    format!("{}{NUL}{}", key.subject.as_deref().unwrap_or(""), key.consumer)
}

/// Whose name that is.
pub(super) fn consumer(who: &str) -> Result<ConsumerKey, LogError> {
    // A subject may have any character.
    let (subject, consumer) = who.rsplit_once(NUL).ok_or_else(|| unreadable("a consumer without a subject"))?;
    let subject = Some(subject.to_owned()).filter(|subject| !subject.is_empty());
    Ok(ConsumerKey { subject, consumer: ConsumerId::new(consumer).map_err(unreadable)? })
}

/// The stream with which a name in Redis begins.
pub(super) fn stream(name: &str) -> Result<StreamName, LogError> {
    StreamName::new(name.split(NUL).next().unwrap_or(name)).map_err(unreadable)
}

pub(super) fn seq(seq: u64) -> Result<Seq, LogError> {
    Seq::new(seq).map_err(unreadable)
}

fn epoch(text: &str) -> Result<Epoch, LogError> {
    Epoch::new(text).map_err(unreadable)
}

/// The seq after it; at the very end of the numbers, that one again.
fn after(seq: Seq) -> Seq {
    seq.next().unwrap_or(Seq::MAX)
}

/// Somebody else wrote under the log's keys.
pub(super) fn unreadable(error: impl Display) -> LogError {
    let message = format!(
        "Redis has something under the log's keys that no log wrote ({error}): give the log a database of its own"
    );
    LogError::Unavailable { fault: Fault::Schema, message }
}
