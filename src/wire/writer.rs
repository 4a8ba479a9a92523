//! Client frames as JSON text, the same code natively and in the browser: serde_json would add 16 KB to the package
//! (serialising alone still brings its number formatting), and these few shapes need none of it.

use super::{Ack, ClientFrame, ClientSession, Confirm, Filter, From, Nack, Position, Resend, SeqRange, Subscribe};

impl ClientFrame {
    /// The frame as one line of JSON in ASCII.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(128);
        match self {
            Self::Hello(hello) => {
                open(&mut out, "hello");
                text(&mut out, "consumer", &hello.consumer);
                if let Some(ClientSession { id, connection }) = &hello.session {
                    key(&mut out, "session");
                    out.push_str("{\"id\":");
                    string(&mut out, id);
                    number(&mut out, "connection", *connection);
                    out.push('}');
                }
                if let Some(token) = &hello.token {
                    text(&mut out, "token", token);
                }
                text(&mut out, "agent", &hello.agent);
                key(&mut out, "subscriptions");
                list(&mut out, &hello.subscriptions, |out, subscribe| {
                    out.push_str("{\"stream\":");
                    string(out, &subscribe.stream);
                    subscribe_fields(out, subscribe);
                    out.push('}');
                });
            }
            Self::Subscribe(subscribe) => {
                open(&mut out, "subscribe");
                text(&mut out, "stream", &subscribe.stream);
                subscribe_fields(&mut out, subscribe);
            }
            Self::Unsubscribe { stream } => {
                open(&mut out, "unsubscribe");
                text(&mut out, "stream", stream);
            }
            Self::Ack(ack) => {
                let Ack { stream, epoch, upto, also, delivered, received } = ack;
                open(&mut out, "ack");
                text(&mut out, "stream", stream);
                text(&mut out, "epoch", epoch);
                number(&mut out, "upto", upto.get());
                if !also.is_empty() {
                    ranges(&mut out, "also", also);
                }
                // At rest neither says anything new [AW-ACK-8].
                if *delivered > ack.named() {
                    number(&mut out, "delivered", delivered.get());
                }
                if received > delivered {
                    number(&mut out, "received", received.get());
                }
            }
            Self::Nack(Nack { stream, epoch, seq, attempt, error, retry }) => {
                open(&mut out, "nack");
                text(&mut out, "stream", stream);
                text(&mut out, "epoch", epoch);
                number(&mut out, "seq", seq.get());
                number(&mut out, "attempt", u64::from(*attempt));
                text(&mut out, "error", error);
                if !retry {
                    out.push_str(",\"retry\":false");
                }
            }
            Self::Confirm(Confirm { stream, epoch, seq, attempt }) => {
                open(&mut out, "confirm");
                text(&mut out, "stream", stream);
                text(&mut out, "epoch", epoch);
                number(&mut out, "seq", seq.get());
                number(&mut out, "attempt", u64::from(*attempt));
            }
            Self::Resend(Resend { stream, epoch, ranges: wanted }) => {
                open(&mut out, "resend");
                text(&mut out, "stream", stream);
                text(&mut out, "epoch", epoch);
                ranges(&mut out, "ranges", wanted);
            }
            #[cfg(not(target_arch = "wasm32"))]
            Self::EventConfirmation(confirmation) => {
                open(&mut out, "event_confirmation");
                text(&mut out, "event_id", &confirmation.event_id);
                let status = match confirmation.status {
                    super::ConfirmStatus::Confirmed => "confirmed",
                    super::ConfirmStatus::Failed => "failed",
                };
                text(&mut out, "status", status);
                if let Some(error) = &confirmation.error {
                    text(&mut out, "error", error);
                }
            }
            Self::Auth { token } => {
                open(&mut out, "auth");
                text(&mut out, "token", token);
            }
            Self::Ping => open(&mut out, "ping"),
            Self::Pong => open(&mut out, "pong"),
        }
        out.push('}');
        out
    }
}

fn subscribe_fields(out: &mut String, subscribe: &Subscribe) {
    match &subscribe.from {
        From::Start => text(out, "from", "start"),
        From::Now => text(out, "from", "now"),
        From::Resume => text(out, "from", "resume"),
        From::Position(Position { epoch, seq }) => {
            out.push_str(",\"from\":{\"epoch\":");
            string(out, epoch);
            number(out, "seq", seq.get());
            out.push('}');
        }
    }
    if !subscribe.also.is_empty() {
        ranges(out, "also", &subscribe.also);
    }
    out.push_str(",\"window\":{\"events\":");
    digits(out, u64::from(subscribe.window.events));
    number(out, "bytes", u64::from(subscribe.window.bytes));
    out.push('}');
    if let Some(filter) = &subscribe.filter {
        key(out, "filter");
        filter_object(out, filter);
    }
}

#[cfg(target_arch = "wasm32")]
fn filter_object(out: &mut String, Filter(json): &Filter) {
    out.push_str(json);
}

#[cfg(not(target_arch = "wasm32"))]
fn filter_object(out: &mut String, filter: &Filter) {
    out.push_str("{\"meta\":{");
    for (index, (name, value)) in filter.meta.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        string(out, value);
    }
    out.push('}');
    if let Some(types) = &filter.types {
        key(out, "types");
        list(out, types, |out, event_type| string(out, event_type));
    }
    out.push('}');
}

fn open(out: &mut String, frame_type: &str) {
    out.push_str("{\"type\":");
    string(out, frame_type);
}

fn key(out: &mut String, name: &str) {
    out.push(',');
    string(out, name);
    out.push(':');
}

fn text(out: &mut String, name: &str, value: &str) {
    key(out, name);
    string(out, value);
}

fn number(out: &mut String, name: &str, value: u64) {
    key(out, name);
    digits(out, value);
}

fn ranges(out: &mut String, name: &str, values: &[SeqRange]) {
    key(out, name);
    list(out, values, |out, range| {
        out.push('[');
        digits(out, range.after().get());
        out.push(',');
        digits(out, range.upto().get());
        out.push(']');
    });
}

fn list<T>(out: &mut String, items: &[T], mut item: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item(out, value);
    }
    out.push(']');
}

/// In decimal. Formatting with `core::fmt` would bring 4 KB of it into the package.
pub(crate) fn digits(out: &mut String, value: u64) {
    if value >= 10 {
        digits(out, value / 10);
    }
    out.push(char::from(b'0' + (value % 10) as u8));
}

/// A JSON string in ASCII, `\uXXXX` for the rest.
fn string(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            _ => escape(out, character),
        }
    }
    out.push('"');
}

/// `\uXXXX`, as a surrogate pair beyond the basic plane.
pub(super) fn escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            let digit = *unit >> shift & 15;
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_as_it_is_but_for_what_json_and_ascii_forbid() {
        let mut out = String::new();
        string(&mut out, " a~\"\\\u{7f}\n\u{e4}\u{1f600}");
        assert_eq!(out, r#"" a~\"\\\u007f\u000a\u00e4\ud83d\ude00""#);
    }

    #[test]
    fn items_are_separated_by_commas() {
        for (items, expected) in [(&[][..], "[]"), (&[7], "[7]"), (&[7, 8, 9], "[7,8,9]")] {
            let mut out = String::new();
            list(&mut out, items, |out, item| digits(out, *item));
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 7, 9, 10, 19, 90, 100, 123_456_789, u64::MAX] {
            let mut out = String::new();
            digits(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn a_filter_is_written_with_all_of_its_meta() {
        let mut out = String::new();
        filter_object(&mut out, &serde_json::from_str(r#"{"meta":{"b":"x","a":"y"},"types":["t"]}"#).unwrap());
        assert_eq!(out, r#"{"meta":{"a":"y","b":"x"},"types":["t"]}"#);
    }
}
