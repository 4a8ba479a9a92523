//! An event as the sending side holds it.

use crate::wire::{Event, to_ascii_json};

/// An event of the log with its wire form, made once and shared by every feed that sends it.
#[derive(Clone, Debug)]
pub struct Entry {
    event: Event,
    json: Box<str>,
}

impl Entry {
    /// Encodes the event. Its `attempt` is left out: it belongs to a delivery, not to the log.
    pub fn new(mut event: Event) -> Self {
        event.attempt = 1;
        let json = serde_json::to_string(&event).expect("an event has string keys only");
        Self { json: to_ascii_json(&json).into(), event }
    }

    /// From its wire form, as [`json`](Self::json) gave it to a log.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { event: serde_json::from_str(json)?, json: json.into() })
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
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
