//! An event as the sending side holds it.

use serde::{Deserialize, de::IgnoredAny};
use std::sync::OnceLock;

use crate::wire::{Event, EventId, EventType, Meta, Priority, Seq, plain, to_ascii_json, without_data};

/// An event of the log in its wire form, made once and shared by every feed that sends it.
#[derive(Clone, Debug)]
pub struct Entry {
    head: Head,
    json: Box<str>,
    /// All of it, once somebody has asked.
    event: OnceLock<Box<Event>>,
}

/// What is read of an event to send it: all but its data, which may be long and is nobody's concern on the way.
#[derive(Clone, Debug, Deserialize)]
pub struct Head {
    /// Its place in the stream.
    pub seq: Seq,
    /// The producer's name for it.
    pub id: EventId,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// How soon a confirmation is wanted.
    #[serde(default)]
    pub priority: Priority,
    /// Strings that travel with it.
    #[serde(default)]
    pub meta: Meta,
    /// As in [`Event::deadline_ms`].
    #[serde(default)]
    pub deadline_ms: Option<u32>,
    /// As in [`Event::retries`].
    #[serde(default)]
    pub retries: Option<u32>,
    /// What else an event has is checked to be there, so that the rest can be read when it is asked for.
    #[serde(rename = "time")]
    _time: u64,
    #[serde(rename = "data")]
    _data: IgnoredAny,
    #[serde(rename = "attempt", default)]
    _attempt: u32,
}

impl Head {
    /// Of an event that has no field but those which every event has.
    fn plain(json: &str) -> Option<Self> {
        let event = plain(json)?;
        Some(Self {
            seq: Seq::new(event.seq).ok()?,
            id: EventId::new(event.id).ok()?,
            event_type: EventType::new(event.event_type).ok()?,
            priority: Priority::default(),
            meta: Meta::new(),
            deadline_ms: None,
            retries: None,
            _time: event.time,
            _data: IgnoredAny,
            _attempt: 1,
        })
    }
}

impl Entry {
    /// Encodes the event. Its `attempt` is left out: it belongs to a delivery, not to the log.
    pub fn new(mut event: Event) -> Self {
        event.attempt = 1;
        let json = serde_json::to_string(&event).expect("an event has string keys only");
        let Event { seq, id, event_type, priority, meta, deadline_ms, retries, time, attempt, data: _ } = event;
        let (_time, _data, _attempt) = (time, IgnoredAny, attempt);
        let head = Head { seq, id, event_type, priority, meta, deadline_ms, retries, _time, _data, _attempt };
        Self { head, json: to_ascii_json(&json).into(), event: OnceLock::new() }
    }

    /// From its wire form, as [`json`](Self::json) gave it to a log.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        if let Some(head) = Head::plain(json) {
            return Ok(Self { head, json: json.into(), event: OnceLock::new() });
        }
        // As the log writes it the data can be left out before anything is parsed; anything else is parsed as a whole.
        let skimmed = without_data(json).and_then(|(before, after)| {
            let rest = [before, r#","data":null"#, after].concat();
            serde_json::from_str(&rest).ok()
        });
        let head = skimmed.map_or_else(|| serde_json::from_str(json), Ok)?;
        Ok(Self { head, json: json.into(), event: OnceLock::new() })
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
