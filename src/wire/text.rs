//! Words that pass through the core: what a peer, a handler or the application said.

#[cfg(target_arch = "wasm32")]
use serde::{Deserialize, Serialize};

/// Words that pass through the core.
#[cfg(not(target_arch = "wasm32"))]
pub type Text = String;

/// Words that pass through the core. In the browser they stay with the facade: this is [`Text::GIVEN`], or a word of the
/// core's own by its number.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text(pub u32);

#[cfg(target_arch = "wasm32")]
impl Text {
    /// What the facade was told, and knows.
    pub const GIVEN: Self = Self(0);
}

/// Longest `error` of a `nack`, in bytes; longer ones are cut at a character boundary.
pub const MAX_ERROR_BYTES: usize = 1_000;

/// `text` cut to at most `max` bytes, at a character boundary.
pub fn truncate(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

/// The `error` of a `nack`, within its bound.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn bounded_error(error: &Text) -> Text {
    truncate(error, MAX_ERROR_BYTES).into()
}

/// The facade cuts it.
#[cfg(target_arch = "wasm32")]
pub(crate) fn bounded_error(error: &Text) -> Text {
    error.clone()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn aw_ack_5_an_error_is_cut_between_characters() {
        assert_eq!(bounded_error(&"no".into()), "no");
        assert_eq!(bounded_error(&format!("{}ä!", "a".repeat(MAX_ERROR_BYTES - 1))), "a".repeat(MAX_ERROR_BYTES - 1));
    }
}
