//! Reading a run back from a log, for tests.

use ackwire::wire::{Seq, SeqRange, StreamName};
use serde_json::Value;

use crate::log::{Log, PageLimit};

/// An event as a reader sees it.
#[derive(Debug)]
pub struct Told {
    pub event_type: String,
    pub priority: Value,
    pub data: Value,
}

impl Told {
    /// Type and priority.
    pub fn told(&self) -> (&str, &str) {
        (&self.event_type, self.priority.as_str().unwrap())
    }
}

/// The whole stream.
pub async fn read(log: &dyn Log, stream: &StreamName) -> Vec<Told> {
    let everything = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
    let limit = PageLimit { events: usize::MAX, bytes: usize::MAX };
    let page = log.read(stream, everything, limit).await.unwrap();
    let told = |event: &ackwire::wire::Event| Told {
        event_type: event.event_type.to_string(),
        priority: serde_json::to_value(event.priority).unwrap(),
        data: serde_json::from_str(event.data.get()).unwrap(),
    };
    page.entries.iter().map(|entry| told(entry.event())).collect()
}
