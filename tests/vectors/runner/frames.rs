//! Valid and invalid frames.

use ackwire::deliver::Entry;
use ackwire::wire::{Decoded, Event, decode_client, decode_events, decode_server, encode_events, encode_server};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    clause: String,
    /// What travels.
    text: String,
    valid: bool,
    /// Valid, and of a type that this version does not know.
    #[serde(default)]
    unknown: bool,
    /// For people: what makes it invalid.
    #[serde(default)]
    why: String,
}

/// Frames that a server reads. Valid ones that the client core writes are written back to the same JSON.
pub fn client(text: &str) {
    for vector in vectors(text) {
        let Vector { text, valid, unknown, why, .. } = &vector;
        let decoded = decode_client(text);
        assert_eq!(decoded.is_ok(), *valid, "{why}: {text}: {decoded:?}");
        match decoded {
            Ok(Decoded::Frame(frame)) => {
                let written = frame.to_json();
                assert!(written.is_ascii(), "{written}");
                let (written, read): (Value, Value) = (parse(&written), parse(text));
                assert_eq!(written, read);
            }
            Ok(Decoded::Publish(publish)) => assert_eq!(parse(text)["data"], parse(publish.data.get())),
            Ok(Decoded::Unknown) => assert!(unknown, "{text}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Frames that a client reads. Valid ones are written back to the same JSON.
pub fn server(text: &str) {
    for vector in vectors(text) {
        let Vector { text, valid, unknown, why, .. } = &vector;
        let known = decode_events(text).and_then(|events| Ok(events.is_some() || decode_server(text)?.is_some()));
        assert_eq!(known.is_ok(), *valid, "{why}: {text}: {known:?}");
        if let Ok(known) = known {
            assert_eq!(known, !unknown, "{text}");
        }
        if *valid && !unknown {
            assert_eq!(parse(&written(text)), as_known(parse(text)), "written as it was read");
        }
    }
}

/// The frame as the sending end writes it.
fn written(text: &str) -> String {
    let Some(frame) = decode_events(text).expect("valid") else {
        return encode_server(&decode_server(text).expect("valid").expect("known"));
    };
    let with_attempt = |event: Event| (event.attempt, Entry::new(event));
    let entries: Vec<(u32, Entry)> = frame.events.into_iter().map(with_attempt).collect();
    let events = entries.iter().map(|(attempt, entry)| (entry.json(), *attempt));
    encode_events(&frame.stream, frame.after, frame.upto, frame.requeued, events)
}

/// An error of tomorrow is read as one that is not known, and written as that.
fn as_known(mut frame: Value) -> Value {
    if frame["code"] == "code_of_tomorrow" {
        frame["code"] = "other".into();
    }
    frame
}

fn vectors(text: &str) -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(text).expect("a list of vectors");
    let clauses: Vec<String> = vectors.iter().map(|vector| vector.clause.clone()).collect();
    super::assert_clauses(&clauses);
    vectors
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
