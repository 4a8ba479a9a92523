//! Events, natively. In the browser an event stays a JavaScript object.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(not(target_arch = "wasm32"))]
use super::{EventId, EventType, Seq};

/// How soon a confirmation is wanted, and what troubles first [AW-EVENT].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// May wait.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Wants to be seen.
    High,
    /// Confirmed at once, without coalescing [AW-ACK-3].
    Critical,
}

impl Priority {
    /// Whether this is the default, which the wire omits.
    pub fn is_default(&self) -> bool {
        *self == Self::Normal
    }
}

/// A flat object of strings: `run_id`, `thread_id`, `traceparent`, …
pub type Meta = BTreeMap<String, String>;

/// One entry of a stream.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the stream; never 0.
    pub seq: Seq,
    /// The producer's name for it, unique in the stream.
    pub id: EventId,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Milliseconds since 1970; for people, no decision rests on it.
    pub time: u64,
    /// Any JSON value, as the producer wrote it.
    pub data: Box<serde_json::value::RawValue>,
    /// How soon a confirmation is wanted.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// Which delivery to this consumer this is, from 1.
    #[serde(default = "first_attempt", skip_serializing_if = "is_first")]
    pub attempt: u32,
    /// Strings that travel with it.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
    /// How long a consumer has to confirm it, in milliseconds; absent: as the server is configured [AW-SEND-2].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u32>,
    /// How often it is sent again after a failure or timeout; absent: as the server is configured [AW-SEND-2].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

#[cfg(not(target_arch = "wasm32"))]
fn first_attempt() -> u32 {
    1
}

#[cfg(not(target_arch = "wasm32"))]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

#[cfg(not(target_arch = "wasm32"))]
impl Event {
    /// About how many bytes it takes on the wire: its strings and data, and a constant for the rest.
    pub fn wire_bytes(&self) -> usize {
        let meta: usize = self.meta.iter().map(|(key, value)| key.len() + value.len() + 6).sum();
        64 + self.id.len() + self.event_type.len() + self.data.get().len() + meta
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
            && self.id == other.id
            && self.event_type == other.event_type
            && self.time == other.time
            && self.data.get() == other.data.get()
            && self.priority == other.priority
            && self.attempt == other.attempt
            && self.meta == other.meta
            && self.deadline_ms == other.deadline_ms
            && self.retries == other.retries
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn event() -> Event {
        serde_json::from_str(r#"{"seq":3,"id":"a","type":"t","time":5,"data":{"x":1},"meta":{"run":"r"}}"#).unwrap()
    }

    #[test]
    fn each_field_tells_events_apart() {
        let other: [fn(&mut Event); 10] = [
            |event| event.seq = Seq::MAX,
            |event| event.id = EventId::new("b").unwrap(),
            |event| event.event_type = EventType::new("u").unwrap(),
            |event| event.time = 6,
            |event| event.data = serde_json::value::to_raw_value("x").unwrap(),
            |event| event.priority = Priority::High,
            |event| event.attempt = 2,
            |event| event.meta.clear(),
            |event| event.deadline_ms = Some(0),
            |event| event.retries = Some(0),
        ];
        assert_eq!(event(), event());
        for (index, change) in other.iter().enumerate() {
            let mut changed = event();
            change(&mut changed);
            assert_ne!(changed, event(), "change {index}");
        }
    }

    #[test]
    fn its_attempt_is_written_unless_it_is_the_first() {
        let attempt = |attempt| serde_json::to_value(Event { attempt, ..event() }).unwrap().get("attempt").cloned();
        assert_eq!([1, 2].map(attempt), [None, Some(2.into())]);
    }

    #[test]
    fn its_bytes_are_those_of_its_texts_and_a_constant() {
        let mut event = event();
        assert_eq!(event.wire_bytes(), 64 + "a".len() + "t".len() + r#"{"x":1}"#.len() + "run".len() + "r".len() + 6);
        event.meta.insert("thread".into(), "12".into());
        assert_eq!(event.wire_bytes(), 64 + 2 + 7 + (3 + 1 + 6) + (6 + 2 + 6));
    }
}
