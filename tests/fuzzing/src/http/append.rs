//! An append that was answered with success did what its answer says, and that is what was asked.

use ackwire::wire::{Seq, SeqRange, StreamName};
use ackwire_server::log::{Log, PageLimit};
use axum::http::StatusCode;
use serde_json::{Value, value::RawValue};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Streams, request::Given};

type Fields<'a> = BTreeMap<String, &'a RawValue>;

pub async fn check(
    log: &Arc<dyn Log>,
    given: &Given,
    status: StatusCode,
    answer: &Value,
    (before, after): (&Streams, &Streams),
) {
    let stream: StreamName = answer["stream"].as_str().expect("a stream").parse().expect("its name");
    let events = answer["events"].as_array().expect("what became of the events");
    let asked = asked(given);
    assert_eq!(events.len(), asked.len(), "{answer} for {given:?}");

    let head = |streams: &Streams| streams.get(&stream).map_or(0, |tail| tail.head.get());
    let mut fresh = BTreeSet::new();
    for (placed, asked) in events.iter().zip(&asked) {
        let seq = Seq::new(placed["seq"].as_u64().expect("a seq")).expect("within its bounds");
        let duplicate = placed["duplicate"].as_bool().expect("whether it was known");
        let range = SeqRange::single(seq).expect("an event's seq is not 0");
        let page = log.read(&stream, range, PageLimit { events: 1, bytes: 1 }).await.expect("a log in memory");
        let event = page.entries.first().expect("what was answered is there").event();
        assert_eq!(placed["id"], event.id.as_str());
        assert_eq!(duplicate, seq.get() <= head(before) || !fresh.insert(seq), "{answer}");
        if !duplicate {
            let data = asked.get("data").map_or("null", |data| data.get());
            assert_eq!(event.data.get(), data, "as the producer wrote it");
            assert_eq!(Value::from(event.event_type.as_str()), parse(asked["type"].get()));
            assert!(asked.get("id").is_none_or(|id| parse(id.get()) == event.id.as_str()));
        }
    }
    let expected = if fresh.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    assert_eq!((status, head(after)), (expected, head(before) + fresh.len() as u64), "{answer}");
    let others = |streams: &Streams| -> Streams {
        streams.iter().filter(|(name, _)| **name != stream).map(|(name, tail)| (name.clone(), tail.clone())).collect()
    };
    assert_eq!(others(before), others(after), "an append changes one stream");
}

/// The events of the body, told apart again.
fn asked(given: &Given) -> Vec<Fields<'_>> {
    let text = std::str::from_utf8(&given.body).expect("what was taken is UTF-8");
    let is_lines = given.content_type.to_str().is_ok_and(|form| form.to_ascii_lowercase().contains("ndjson"));
    let texts: Vec<&str> = match () {
        () if is_lines => text.lines().filter(|line| !line.trim().is_empty()).collect(),
        () if text.trim_start().starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).expect("what was taken is JSON");
            items.into_iter().map(RawValue::get).collect()
        }
        () => vec![text],
    };
    texts.into_iter().map(|text| serde_json::from_str(text).expect("what was taken is an object")).collect()
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("what was taken is JSON")
}
