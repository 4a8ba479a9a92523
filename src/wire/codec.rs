//! JSON, natively: what the server reads and writes, and what a native client or a test reads.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::fmt;

use super::{
    Ack, ClientFrame, Confirm, Event, EventConfirmation, EventId, EventType, Hello, Meta, Nack, Resend, Seq,
    ServerFrame, StreamName, Subscribe, writer::escape,
};

/// A text that is no valid frame. Whose fault: the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The frame's type, as far as it could be read.
    pub frame: Option<String>,
    /// What is wrong with it. Never contains a text from the frame.
    pub detail: String,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.frame {
            Some(frame) => write!(f, "invalid `{frame}` frame: {}", self.detail),
            None => write!(f, "no frame: {}", self.detail),
        }
    }
}

impl std::error::Error for FrameError {}

/// A reliable send from the application [AW-PUB-1].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// To which stream.
    pub stream: StreamName,
    /// The event's id; the log takes it once.
    pub id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The event's data.
    pub data: Box<RawValue>,
    /// The event's meta.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

/// What a client's text says.
#[derive(Debug)]
pub enum Decoded {
    /// A frame of the protocol.
    Frame(ClientFrame),
    /// A reliable send.
    Publish(Publish),
    /// A type that this version does not know; to be counted and ignored [AW-CONN-2].
    Unknown,
}

/// Reads a client's frame.
pub fn decode_client(text: &str) -> Result<Decoded, FrameError> {
    let frame_type = frame_type(text)?;
    let of = |detail| FrameError { frame: Some(frame_type.clone()), detail };
    Ok(Decoded::Frame(match frame_type.as_str() {
        "hello" => ClientFrame::Hello(fields::<Hello>(text).map_err(of)?),
        "subscribe" => ClientFrame::Subscribe(fields::<Subscribe>(text).map_err(of)?),
        "unsubscribe" => ClientFrame::Unsubscribe { stream: fields::<StreamOnly>(text).map_err(of)?.stream },
        "ack" => ClientFrame::Ack(fields::<Ack>(text).map_err(of)?),
        "nack" => ClientFrame::Nack(fields::<Nack>(text).map_err(of)?),
        "confirm" => ClientFrame::Confirm(fields::<Confirm>(text).map_err(of)?),
        "resend" => ClientFrame::Resend(fields::<Resend>(text).map_err(of)?),
        "event_confirmation" => ClientFrame::EventConfirmation(fields::<EventConfirmation>(text).map_err(of)?),
        "auth" => ClientFrame::Auth { token: fields::<AuthOnly>(text).map_err(of)?.token },
        "ping" => ClientFrame::Ping,
        "pong" => ClientFrame::Pong,
        "publish" => return fields::<Publish>(text).map(Decoded::Publish).map_err(of),
        _ => return Ok(Decoded::Unknown),
    }))
}

/// Reads a server's frame other than `events`; `None` for a type that this version does not know.
pub fn decode_server(text: &str) -> Result<Option<ServerFrame>, FrameError> {
    const KNOWN: [&str; 11] = [
        "welcome",
        "subscribed",
        "lost",
        "ended",
        "published",
        "rejected",
        "authenticated",
        "error",
        "drain",
        "ping",
        "pong",
    ];
    let frame_type = frame_type(text)?;
    if !KNOWN.contains(&frame_type.as_str()) {
        return Ok(None);
    }
    fields(text).map(Some).map_err(|detail| FrameError { frame: Some(frame_type), detail })
}

/// An `events` frame.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EventsFrame {
    /// Which stream.
    pub stream: StreamName,
    /// Covers what comes after this …
    pub after: Seq,
    /// … up to and with this.
    pub upto: Seq,
    /// What is not skipped.
    pub events: Vec<Event>,
    /// Whether these are dead letters in their second life, which continue nothing [AW-SEND-9].
    #[serde(default)]
    pub requeued: bool,
}

/// Reads an `events` frame; `None` if it is of another type.
pub fn decode_events(text: &str) -> Result<Option<EventsFrame>, FrameError> {
    if frame_type(text)? != "events" {
        return Ok(None);
    }
    fields(text).map(Some).map_err(|detail| FrameError { frame: Some("events".into()), detail })
}

/// Writes a server's frame, in ASCII.
pub fn encode_server(frame: &ServerFrame) -> String {
    to_ascii_json(&serde_json::to_string(frame).expect("a frame has string keys only"))
}

/// Writes an `events` frame from events that are JSON in ASCII already: each text and its attempt.
/// `requeued` as in [`EventsFrame`].
pub fn encode_events<'a>(
    stream: &StreamName,
    after: Seq,
    upto: Seq,
    requeued: bool,
    events: impl Iterator<Item = (&'a str, u32)> + Clone,
) -> String {
    let bytes: usize = events.clone().map(|(json, _)| json.len() + 16).sum();
    let mut out = String::with_capacity(bytes + stream.len() + 96);
    out.push_str(r#"{"type":"events","stream":""#);
    out.push_str(stream);
    out.push_str(&format!(r#"","after":{after},"upto":{upto},"#));
    out.push_str(if requeued { r#""requeued":true,"events":["# } else { r#""events":["# });
    for (index, (json, attempt)) in events.enumerate() {
        if index > 0 {
            out.push(',');
        }
        match json.strip_suffix('}') {
            Some(open) if attempt > 1 => out.push_str(&format!("{open},\"attempt\":{attempt}}}")),
            _ => out.push_str(json),
        }
    }
    out.push_str("]}");
    out
}

/// The same JSON with everything beyond ASCII as `\uXXXX`: strings stay one byte wide in the browser.
pub fn to_ascii_json(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + json.len() / 2);
    for character in json.chars() {
        // Beyond ASCII a JSON text has characters only inside strings, where the escape means the same.
        if character.is_ascii() { out.push(character) } else { escape(&mut out, character) }
    }
    out
}

#[derive(Deserialize)]
struct TypeOnly {
    #[serde(rename = "type")]
    frame_type: String,
}

#[derive(Deserialize)]
struct StreamOnly {
    stream: StreamName,
}

#[derive(Deserialize)]
struct AuthOnly {
    token: String,
}

fn frame_type(text: &str) -> Result<String, FrameError> {
    fields::<TypeOnly>(text).map(|tag| tag.frame_type).map_err(|detail| FrameError { frame: None, detail })
}

/// serde would take an array for a struct; the wire has objects only.
fn fields<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.trim_start().starts_with('[') {
        return Err("a frame is a JSON object".into());
    }
    serde_json::from_str(text).map_err(|error| {
        // Only what is wrong is read once more, to name the field [AW-CONN-2].
        let traced: Result<T, _> = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
        let path = traced.err().map(|error| error.path().to_string()).filter(|path| path != ".");
        let said = without_text(&error.to_string());
        path.map_or(said.clone(), |path| format!("`{path}`: {said}"))
    })
}

/// serde repeats a text that stands where something else should; it may be a token in the wrong place, and what is said
/// here is logged [AW-CONN-3].
fn without_text(said: &str) -> String {
    let quotes = said.find('"').zip(said.rfind('"')).filter(|(first, last)| first < last);
    if let Some((first, last)) = quotes {
        return format!("{}…{}", &said[..=first], &said[last..]);
    }
    match said.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected")) {
        Some((_, expected)) => format!("unknown variant, expected{expected}"),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the sender of a frame is told, and the log.
    fn refused(text: &str) -> String {
        decode_client(text).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn aw_conn_3_what_is_said_of_a_frame_repeats_none_of_its_texts() {
        let told = refused(r#"{"type":"ack","stream":"s","epoch":"e","upto":"to\"k\"en"}"#);
        assert_eq!(told, r#"invalid `ack` frame: `upto`: invalid type: string "…", expected u64 at line 1 column 57"#);
        for status in ["token", r#"to\"ken"#, r#"\"token"#] {
            let told = refused(&format!(r#"{{"type":"event_confirmation","event_id":"a","status":"{status}"}}"#));
            let expected = "`status`: unknown variant, expected `confirmed` or `failed`";
            assert!(told.contains(expected) && !told.contains("to") && !told.contains("ken"), "{told}");
        }
    }

    #[test]
    fn a_text_begins_and_ends_with_the_outermost_quotes() {
        assert_eq!(without_text(r#"a "b" c "d" e"#), r#"a "…" e"#);
        assert_eq!(without_text(r#"only "one"#), r#"only "one"#);
        assert_eq!(without_text("none"), "none");
    }
}
