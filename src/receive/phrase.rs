//! What a session says in words of its own.

use super::StateReason;
use crate::wire::Text;

/// What a session says in words of its own, to the application and to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// Nothing needs saying.
    Nothing,
    /// The server has said `welcome` before.
    SecondWelcome,
    /// The server has not said `welcome`.
    BeforeWelcome,
    /// Events are not in order, or not within their frame's range.
    OutOfOrder,
    /// The frame's range ends before it begins.
    AfterBeyondUpto,
    /// The server sent more than it was granted.
    WindowOverrun,
    /// Nothing was lost.
    EmptyLost,
    /// A publish that this server will never take.
    MessageTooLarge,
    /// An id with a line break [AW-EVENT].
    EventId,
    /// As [`StateReason::Silent`].
    Silent,
    /// As [`StateReason::ConnectTimeout`].
    ConnectTimeout,
    /// As [`StateReason::Drain`].
    Drain,
    /// As [`StateReason::ServerMisbehaved`].
    ServerMisbehaved,
    /// As [`StateReason::GapStuck`].
    GapStuck,
}

impl Phrase {
    /// In words, at most 123 bytes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::SecondWelcome => "a second `welcome`",
            Self::BeforeWelcome => "a frame before `welcome`",
            Self::OutOfOrder => "`events` out of order or outside their range",
            Self::AfterBeyondUpto => "`events` with after > upto",
            Self::WindowOverrun => "more events than the window grants [AW-SEND-4]",
            Self::EmptyLost => "`lost` with an empty range",
            Self::MessageTooLarge => "the message is larger than a frame that the server takes",
            Self::EventId => "events.events[].id",
            Self::Silent => "silent",
            Self::ConnectTimeout => "connect_timeout",
            Self::Drain => "drain",
            Self::ServerMisbehaved => "server_misbehaved",
            Self::GapStuck => "gap_stuck",
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl From<Phrase> for Text {
    fn from(phrase: Phrase) -> Self {
        phrase.as_str().into()
    }
}

/// The facade has the words.
#[cfg(target_arch = "wasm32")]
impl From<Phrase> for Text {
    fn from(phrase: Phrase) -> Self {
        Self(phrase as u32)
    }
}

impl StateReason {
    /// What is said to a server that is left for this reason.
    pub(super) const fn phrase(&self) -> Phrase {
        match self {
            Self::Silent => Phrase::Silent,
            Self::ConnectTimeout => Phrase::ConnectTimeout,
            Self::Drain => Phrase::Drain,
            Self::ServerMisbehaved { .. } => Phrase::ServerMisbehaved,
            Self::GapStuck => Phrase::GapStuck,
            _ => Phrase::Nothing,
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::receive::{State, Trouble};
    use crate::wire::{ErrorCode, LostReason};

    /// The lists of the facade, which knows by number what is said here.
    const WORDS: &str = include_str!("../../js/words.ts");

    /// The texts of a list, as they stand there.
    fn list(name: &str) -> Vec<&'static str> {
        let (_, rest) = WORDS.split_once(&format!("export const {name}")).unwrap();
        let (list, _) = rest.split_once(" = [").unwrap().1.split_once(']').unwrap();
        // `events.events[].id` ends the list early, as far as brackets go.
        let list = if name == "PHRASES" { rest.split_once("\n] as const").unwrap().0 } else { list };
        list.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_facade_has_the_same_words() {
        let phrases = [
            Phrase::Nothing,
            Phrase::SecondWelcome,
            Phrase::BeforeWelcome,
            Phrase::OutOfOrder,
            Phrase::AfterBeyondUpto,
            Phrase::WindowOverrun,
            Phrase::EmptyLost,
            Phrase::MessageTooLarge,
            Phrase::EventId,
            Phrase::Silent,
            Phrase::ConnectTimeout,
            Phrase::Drain,
            Phrase::ServerMisbehaved,
            Phrase::GapStuck,
        ];
        for (index, phrase) in phrases.into_iter().enumerate() {
            assert_eq!(phrase as usize, index);
        }
        assert_eq!(list("PHRASES"), phrases.map(Phrase::as_str));
        assert!(phrases.iter().all(|phrase| phrase.as_str().len() <= 123), "they close sockets");
    }

    fn reasons() -> [StateReason; 13] {
        let said = String::new;
        [
            StateReason::Application,
            StateReason::Welcome,
            StateReason::Retry,
            StateReason::Wake,
            StateReason::SocketClosed { code: 1006, reason: said() },
            StateReason::Silent,
            StateReason::ConnectTimeout,
            StateReason::TokenFailed { message: said() },
            StateReason::TokenRefused,
            StateReason::TriesExhausted,
            StateReason::Drain,
            StateReason::ServerMisbehaved { detail: said() },
            StateReason::GapStuck,
        ]
    }

    #[test]
    fn a_server_that_is_left_is_told_why() {
        let told = reasons().map(|reason| (reason.as_str(), Text::from(reason.phrase()).to_string()));
        let told: Vec<_> = told.into_iter().filter(|(_, phrase)| !phrase.is_empty()).collect();
        assert!(told.iter().all(|(reason, phrase)| reason == phrase), "{told:?}");
        assert_eq!(told.len(), 5, "{told:?}");
    }

    #[test]
    fn the_facade_has_the_same_reasons() {
        let reasons = reasons();
        for (index, reason) in reasons.iter().enumerate() {
            assert_eq!(usize::from(reason.index()), index);
        }
        assert_eq!(list("REASONS"), reasons.each_ref().map(StateReason::as_str));
    }

    #[test]
    fn the_facade_has_the_same_codes() {
        let codes = list("CODES");
        let (answers, own) = codes.split_at(ErrorCode::Other as usize + 1);
        for (index, code) in answers.iter().enumerate() {
            assert_eq!(ErrorCode::from_index(index as u32), ErrorCode::parse(code));
            assert_eq!(ErrorCode::parse(code) as usize, index, "{code}");
        }
        let troubles =
            [Trouble::ServerMisbehaved, Trouble::ProtocolViolation, Trouble::FrameTooLarge, Trouble::TokenFailed];
        assert_eq!(own, troubles.map(Trouble::as_str));
        let lost = [LostReason::Expired, LostReason::Compacted, LostReason::Failed];
        assert_eq!(list("LOST_REASONS"), lost.map(LostReason::as_str));
        let states = [State::Idle, State::Connecting, State::Connected, State::Waiting, State::Closed, State::Failed];
        assert_eq!(list("STATES"), states.map(|state| format!("{state:?}").to_lowercase()));
    }
}
