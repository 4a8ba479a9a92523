//! Which events are wanted; the others are covered, not sent [AW-SUB-8].

use serde::{Deserialize, Serialize};

#[cfg(not(target_arch = "wasm32"))]
use super::{EventType, Meta};

/// Which events are wanted [AW-SUB-8].
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The wanted types; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<EventType>>,
    /// Entries of `meta` that must be equal.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

#[cfg(not(target_arch = "wasm32"))]
impl Filter {
    /// Whether an event is wanted.
    pub fn accepts(&self, event_type: &str, meta: &Meta) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted.as_str() == event_type))
            && self.meta.iter().all(|(key, value)| meta.get(key) == Some(value))
    }
}

/// Which events are wanted, as the JSON that the facade wrote: a client hands it on and never looks into it.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter(pub String);
