//! An event as the sending side holds it.

use std::sync::OnceLock;

use crate::wire::{Event, EventId, EventType, Meta, Options, Priority, Seq, Skimmed, skim, to_ascii_json};

/// An event of the log in its wire form, made once and shared by every feed that sends it.
#[derive(Clone, Debug)]
pub struct Entry {
    head: Head,
    json: Box<str>,
    /// All of it, once somebody has asked.
    event: OnceLock<Box<Event>>,
}

/// What is read of an event to send it: all but its data, which may be long and is nobody's concern on the way.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its place in the stream.
    pub seq: Seq,
    /// The producer's name for it.
    pub id: EventId,
    /// What kind of event it is.
    pub event_type: EventType,
    /// How soon a confirmation is wanted.
    pub priority: Priority,
    /// Strings that travel with it.
    pub meta: Meta,
    /// As in [`Event::deadline_ms`].
    pub deadline_ms: Option<u32>,
    /// As in [`Event::retries`].
    pub retries: Option<u32>,
}

impl Head {
    /// Without a parser for its data.
    fn skim(json: &str) -> Option<Self> {
        let Skimmed { seq, id, event_type, time: _, options } = skim(json)?;
        let Options { priority, meta, deadline_ms, retries } = options;
        let (id, event_type) = (EventId::new(id).ok()?, EventType::new(event_type).ok()?);
        Some(Self { seq: Seq::new(seq).ok()?, id, event_type, priority, meta, deadline_ms, retries })
    }
}

impl From<Event> for Head {
    fn from(event: Event) -> Self {
        let Event { seq, id, event_type, priority, meta, deadline_ms, retries, .. } = event;
        Self { seq, id, event_type, priority, meta, deadline_ms, retries }
    }
}

impl Entry {
    /// Encodes the event. Its `attempt` is left out: it belongs to a delivery, not to the log.
    pub fn new(mut event: Event) -> Self {
        event.attempt = 1;
        let json = serde_json::to_string(&event).expect("an event has string keys only");
        Self { head: Head::from(event), json: to_ascii_json(&json).into(), event: OnceLock::new() }
    }

    /// From its wire form, as [`json`](Self::json) gave it to a log.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        if let Some(head) = Head::skim(json) {
            return Ok(Self { head, json: json.into(), event: OnceLock::new() });
        }
        // Of another form than the log's: read as a whole.
        let event = Box::new(serde_json::from_str::<Event>(json)?);
        Ok(Self { head: Head::from((*event).clone()), json: json.into(), event: OnceLock::from(event) })
    }

    /// What is read of it to send it.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its place in the stream.
    pub fn seq(&self) -> Seq {
        self.head.seq
    }

    /// The event. The first call reads it from its wire form.
    pub fn event(&self) -> &Event {
        self.event.get_or_init(|| serde_json::from_str(&self.json).expect("its head was read from it"))
    }

    /// Its wire form: JSON in ASCII, without `attempt`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// How many bytes it takes in a frame.
    pub fn bytes(&self) -> usize {
        self.json.len()
    }
}
