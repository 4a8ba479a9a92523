//! Reading frames: nothing that comes from a network may panic, and what is taken keeps its bounds and survives being
//! written and read again.

use ackwire::deliver::Entry;
use ackwire::wire::{
    ClientFrame, Decoded, EventsFrame, Publish, Seq, ServerFrame, Window, decode_client, decode_events, decode_server,
    encode_events, encode_server, to_ascii_json,
};
use serde_json::Value;

/// Reads the bytes as each kind of frame.
pub fn frames(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    client(text);
    server(text);
    events(text);
}

fn client(text: &str) {
    let known = match decode_client(text) {
        Ok(Decoded::Frame(frame)) => {
            client_frame(&frame);
            true
        }
        Ok(Decoded::Publish(publish)) => {
            check_publish(&publish);
            true
        }
        Ok(Decoded::Unknown) => false,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let frame_type = object_type(text);
    const KNOWN: [&str; 12] = [
        "hello",
        "subscribe",
        "unsubscribe",
        "ack",
        "nack",
        "confirm",
        "resend",
        "publish",
        "event_confirmation",
        "auth",
        "ping",
        "pong",
    ];
    assert_eq!(known, KNOWN.contains(&frame_type.as_str()), "{frame_type}");
}

fn client_frame(frame: &ClientFrame) {
    let written = frame.to_json();
    assert!(written.is_ascii(), "{written}");
    match decode_client(&written) {
        Ok(Decoded::Frame(again)) => assert_eq!(again, *frame, "{written}"),
        other => panic!("{other:?} from {written}"),
    }
    keeps_bounds(&parse(&written));
}

fn check_publish(publish: &Publish) {
    let fields = serde_json::to_string(publish).expect("a publish has string keys only");
    let written = to_ascii_json(&format!(r#"{{"type":"publish",{}"#, &fields[1..]));
    let Ok(Decoded::Publish(again)) = decode_client(&written) else { panic!("no publish: {written}") };
    assert_eq!((&again.stream, &again.id, &again.event_type), (&publish.stream, &publish.id, &publish.event_type));
    assert_eq!((again.data.get(), &again.meta), (to_ascii_json(publish.data.get()).as_str(), &publish.meta));
}

fn server(text: &str) {
    let Ok(Some(frame)) = decode_server(text) else { return };
    object_type(text);
    let written = encode_server(&frame);
    assert!(written.is_ascii(), "{written}");
    match decode_server(&written) {
        Ok(Some(again)) => assert_eq!(again, frame, "{written}"),
        other => panic!("{other:?} from {written}"),
    }
    // What a client said is repeated in these as it was given.
    if !matches!(frame, ServerFrame::Rejected { .. } | ServerFrame::Error { .. }) {
        keeps_bounds(&parse(&written));
    }
}

fn events(text: &str) {
    let Ok(Some(frame)) = decode_events(text) else { return };
    let entries: Vec<(Entry, u32)> =
        frame.events.iter().map(|event| (Entry::new(event.clone()), event.attempt)).collect();
    let EventsFrame { stream, after, upto, requeued, .. } = &frame;
    let events = entries.iter().map(|(entry, attempt)| (entry.json(), *attempt));
    let written = encode_events(stream, *after, *upto, *requeued, events);
    assert!(written.is_ascii(), "{written}");
    let again = decode_events(&written).expect("a frame that was written").expect("`events`");
    assert_eq!((&again.stream, again.after, again.upto, again.requeued), (stream, *after, *upto, *requeued));
    assert_eq!(again.events.len(), frame.events.len());
    for (again, event) in again.events.iter().zip(&frame.events) {
        // The same JSON, in ASCII; an attempt below the first is the first.
        let mut expected = event.clone();
        expected.data = serde_json::from_str(&to_ascii_json(event.data.get())).expect("JSON stays JSON");
        expected.attempt = event.attempt.max(1);
        assert_eq!(*again, expected, "{written}");
    }
}

/// A frame is a JSON object with a string `type` [AW-CONN-1].
fn object_type(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Tag {
        r#type: String,
    }
    assert!(text.trim_start().starts_with('{'), "not an object: {text}");
    serde_json::from_str::<Tag>(text).expect("an object with a `type`").r#type
}

/// Checks section 2's bounds by the names of the fields, without the types whose task they are.
fn keeps_bounds(frame: &Value) {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    let bounded = |key: &str, value: &str| match key {
        "stream" => (1..=200).contains(&value.len()) && value.bytes().all(name),
        "consumer" => (1..=128).contains(&value.len()) && value.bytes().all(name),
        "epoch" => {
            (1..=64).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        }
        "event_id" | "id" => (1..=128).contains(&value.len()) && !value.chars().any(|c| c < ' ' || c == '\u{7f}'),
        _ => true,
    };
    match frame {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    (key, Value::String(text)) => assert!(bounded(key, text), "`{key}`: {text:?}"),
                    ("upto" | "after" | "seq" | "head" | "oldest" | "replayed_upto", value) => seq(value),
                    ("window", window) => check_window(window),
                    ("also" | "ranges", Value::Array(ranges)) => ranges.iter().for_each(range),
                    // Its keys are the application's.
                    ("meta", _) => {}
                    (_, value) => keeps_bounds(value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(keeps_bounds),
        _ => {}
    }
}

fn seq(value: &Value) {
    assert!(value.as_u64().is_some_and(|seq| seq <= Seq::MAX.get()), "a seq: {value}");
}

fn range(value: &Value) {
    let ends: Vec<u64> = value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    assert!(ends.len() == 2 && ends[0] < ends[1] && ends[1] <= Seq::MAX.get(), "a range: {value}");
}

fn check_window(window: &Value) {
    let field = |name: &str| window[name].as_u64().unwrap_or(0);
    assert!((1..=u64::from(Window::MAX_EVENTS)).contains(&field("events")), "{window}");
    let bytes = u64::from(Window::MIN_BYTES)..=u64::from(Window::MAX_BYTES);
    assert!(bytes.contains(&field("bytes")), "{window}");
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}
