//! Names. Each type owns its rules: a value that exists is valid.
//!
//! In the browser a name is a number: the facade has the text, has checked it, and gives the same number for the same
//! text. The core only compares and hands on, which costs nothing so.

use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use serde::{
    Deserializer,
    de::{Error, Visitor},
};
use std::fmt;
#[cfg(not(target_arch = "wasm32"))]
use std::{borrow::Borrow, ops::Deref, sync::Arc};

/// A name that breaks its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName {
    /// The rule, in words.
    pub rule: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

impl std::error::Error for InvalidName {}

#[cfg(not(target_arch = "wasm32"))]
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $accepts:expr, $rule:literal) => {
        $(#[$doc])*
        ///
        /// Cheap to clone.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the rule.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check(name, $max, $accepts, $rule).map(Self)
            }

            /// As a peer gave it; `None` if it breaks the rule.
            pub fn given(name: &str) -> Option<Self> {
                Self::new(name).ok()
            }

            /// Whether this is the name that a peer gave.
            pub fn is(&self, given: &str) -> bool {
                *self.0 == *given
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Named(Self::new))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

#[cfg(target_arch = "wasm32")]
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $accepts:expr, $rule:literal) => {
        $(#[$doc])*
        ///
        /// Here the facade's number for it.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// As a peer gave it: the facade has checked it.
            pub fn given(name: &Self) -> Option<Self> {
                Some(name.clone())
            }

            /// Whether this is the name that a peer gave.
            pub fn is(&self, given: &Self) -> bool {
                self == given
            }
        }

        impl AsRef<Self> for $name {
            fn as_ref(&self) -> &Self {
                self
            }
        }
    };
}

/// A stream's name as a peer gave it, unchecked.
#[cfg(not(target_arch = "wasm32"))]
pub type GivenStream = String;
/// An event's id as a peer gave it, unchecked.
#[cfg(not(target_arch = "wasm32"))]
pub type GivenId = String;
/// A stream's name as a peer gave it.
#[cfg(not(target_arch = "wasm32"))]
pub type GivenStreamRef = str;

/// A stream's name as a peer gave it; the facade has checked it.
#[cfg(target_arch = "wasm32")]
pub type GivenStream = StreamName;
/// An event's id as a peer gave it; the facade has checked it.
#[cfg(target_arch = "wasm32")]
pub type GivenId = EventId;
/// A stream's name as a peer gave it; the facade has checked it.
#[cfg(target_arch = "wasm32")]
pub type GivenStreamRef = StreamName;

/// Makes a name of a text as it is read, without a copy in between.
#[cfg(not(target_arch = "wasm32"))]
struct Named<T>(fn(&str) -> Result<T, InvalidName>);

#[cfg(not(target_arch = "wasm32"))]
impl<T> Visitor<'_> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        self.0(name).map_err(E::custom)
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn check(name: &str, max: usize, accepts: fn(char) -> bool, rule: &'static str) -> Result<Arc<str>, InvalidName> {
    if !name.is_empty() && name.len() <= max && name.chars().all(accepts) {
        Ok(name.into())
    } else {
        Err(InvalidName { rule })
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | ':' | '/' | '-')
}

name!(
    /// The name of a stream [AW-STREAM].
    StreamName, 200, is_plain,
    "a stream name has 1 to 200 bytes of A-Z a-z 0-9 _ . : / -"
);
name!(
    /// Whose confirmations are tracked: a tab, a device, a named worker [AW-CONSUMER].
    ConsumerId, 128, is_plain,
    "a consumer name has 1 to 128 bytes of A-Z a-z 0-9 _ . : / -"
);
name!(
    /// A client that numbers its connections: a tab, or a browser [AW-CONN-5].
    SessionId, 128, is_plain,
    "a session id has 1 to 128 bytes of A-Z a-z 0-9 _ . : / -"
);
name!(
    /// One incarnation of a stream's log; opaque [AW-EPOCH].
    Epoch, 64, |character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'),
    "an epoch has 1 to 64 bytes of A-Z a-z 0-9 _ -"
);
name!(
    /// The producer's name for one event, unique in its stream [AW-EVENT].
    EventId, 128, |character| !character.is_control(),
    "an event id has 1 to 128 bytes without control characters"
);
name!(
    /// What kind of event it is, such as `tool_completed` [AW-EVENT].
    EventType, 100, is_plain,
    "an event type has 1 to 100 bytes of A-Z a-z 0-9 _ . : / -"
);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn aw_stream_names() {
        assert!(StreamName::new("run:9f2c/a-b_c.d").is_ok());
        assert!(StreamName::new(&"a".repeat(200)).is_ok());
        for bad in ["", "a b", "ä", "a\n", "a*", "a?"] {
            assert!(StreamName::new(bad).is_err(), "{bad:?}");
        }
        assert!(StreamName::new(&"a".repeat(201)).is_err());
    }

    #[test]
    fn a_name_that_breaks_its_rule_is_told_the_rule() {
        let error = Epoch::new("a.b").unwrap_err();
        assert_eq!(error.to_string(), "an epoch has 1 to 64 bytes of A-Z a-z 0-9 _ -");
        let error = serde_json::from_str::<Epoch>("7").unwrap_err().to_string();
        assert!(error.starts_with("invalid type: integer `7`, expected a string"), "{error}");
        assert_eq!(crate::wire::InvalidSeq.to_string(), "a sequence number is an integer from 0 to 9007199254740991");
    }

    #[test]
    fn aw_event_ids_take_unicode_but_no_control_characters() {
        assert!(EventId::new("größe 1").is_ok());
        assert!(EventId::new("a\u{7f}").is_err());
        assert!(EventId::new("a\nb").is_err());
        assert!(EventId::new("a\u{9b}31m").is_err(), "terminals take orders from these, too");
        assert!(EventId::new(&"ä".repeat(65)).is_err(), "bytes count, not characters");
    }
}
