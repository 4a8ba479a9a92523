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

/// Which events are wanted: the facade has it, a client never looks into it.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::wire::{EventType, Meta};

    #[test]
    fn aw_sub_8_a_filter_wants_one_of_its_types_and_all_of_its_meta() {
        let meta = |entries: &[(&str, &str)]| {
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Meta>()
        };
        let types = ["t", "u"].map(|name| EventType::new(name).unwrap()).to_vec();
        let filter = Filter { types: Some(types), meta: meta(&[("run", "1"), ("user", "a")]) };
        assert!(filter.accepts("t", &meta(&[("run", "1"), ("user", "a"), ("more", "x")])));
        assert!(filter.accepts("u", &meta(&[("run", "1"), ("user", "a")])));
        assert!(!filter.accepts("v", &meta(&[("run", "1"), ("user", "a")])));
        assert!(!filter.accepts("t", &meta(&[("run", "2"), ("user", "a")])));
        assert!(!filter.accepts("t", &meta(&[("run", "1")])));
        assert!(Filter::default().accepts("v", &Meta::new()));
    }
}
