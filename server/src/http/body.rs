//! What a producer sends: one event, an array of them, or one on each line. Every error names the event, the field,
//! its bound and what was given, and says that nothing was appended.

use ackwire::wire::{EventId, EventType, Meta, Priority, Seq, truncate};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use super::{
    ApiError,
    bounds::{is_caused_by, too_slow},
};
use crate::{
    App, clock,
    limits::{Limits, MAX_DEADLINE_MS, MAX_META_ENTRIES, MAX_RETRIES},
    log::NewEvent,
};

/// Longest piece of a producer's input that an error repeats, in bytes.
const MAX_QUOTED_BYTES: usize = 60;

/// The end of every error.
const NOTHING_APPENDED: &str = "; nothing was appended";

/// Reads the events of an append.
pub(super) async fn read_events(headers: &HeaderMap, body: Body, app: &App) -> Result<Vec<NewEvent>, ApiError> {
    let limits = &app.config.limits;
    let form = Form::of(headers)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits.max_batch_bytes) {
        return Err(body_too_large(limits));
    }
    // A body without a declared length shows its size only when it is read.
    let body = to_bytes(body, limits.max_batch_bytes).await.map_err(|error| {
        if is_caused_by::<http_body_util::LengthLimitError>(&error) {
            return body_too_large(limits);
        }
        let mut told = too_slow(&error, app).unwrap_or_else(|| ApiError::invalid("the body broke off"));
        told.message.push_str(NOTHING_APPENDED);
        told
    })?;
    let text = std::str::from_utf8(&body).map_err(|error| {
        ApiError::invalid(format!("the body is not UTF-8 after byte {}; nothing was appended", error.valid_up_to()))
    })?;
    parse(form, text, limits).map_err(|mut error| {
        error.message.push_str(NOTHING_APPENDED);
        error
    })
}

#[derive(Clone, Copy)]
enum Form {
    Json,
    Lines,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
        match given.split(';').next().map(|form| form.trim().to_ascii_lowercase()).as_deref() {
            Some("application/json") => Ok(Self::Json),
            Some("application/x-ndjson") => Ok(Self::Lines),
            _ => Err(ApiError {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                code: "unsupported_media_type",
                message: format!(
                    "Content-Type is application/json (an event or an array of them) or application/x-ndjson \
                     (an event on each line), not {given}"
                ),
            }),
        }
    }
}

fn parse(form: Form, text: &str, limits: &Limits) -> Result<Vec<NewEvent>, ApiError> {
    let invalid_json = |error: serde_json::Error| ApiError::invalid(format!("invalid JSON: {error}"));
    let events: Vec<(String, &RawValue)> = match form {
        Form::Json if text.trim_start().starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(invalid_json)?;
            items.into_iter().enumerate().map(|(index, item)| (format!("event {}: ", index + 1), item)).collect()
        }
        Form::Json => vec![(String::new(), serde_json::from_str(text).map_err(invalid_json)?)],
        Form::Lines => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let parsed = lines.map(|(index, line)| {
                let item = serde_json::from_str(line).map_err(|error| {
                    // serde counts lines within this one.
                    let (what, column) = (plain(&error), error.column());
                    ApiError::invalid(format!("line {}: invalid JSON at column {column}: {what}", index + 1))
                })?;
                Ok((format!("line {}: ", index + 1), item))
            });
            parsed.collect::<Result<_, ApiError>>()?
        }
    };
    if events.is_empty() {
        return Err(ApiError::invalid("the body has no event"));
    }
    if events.len() > limits.max_batch_events {
        let most = limits.max_batch_events;
        let message = format!("{} events are more than {most} (--max-batch-events) in one append", events.len());
        return Err(ApiError::too_large(message));
    }
    let parsed = events.into_iter().map(|(place, raw)| {
        event(raw, limits).map_err(|mut error| {
            error.message.insert_str(0, &place);
            error
        })
    });
    parsed.collect()
}

/// The fields of an event as they came; each is checked by its own rule, so that an error can name it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming<'a> {
    id: Option<Value>,
    #[serde(rename = "type")]
    event_type: Option<Value>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    time: Option<Value>,
    priority: Option<Value>,
    meta: Option<Value>,
    deadline_ms: Option<Value>,
    retries: Option<Value>,
}

fn event(raw: &RawValue, limits: &Limits) -> Result<NewEvent, ApiError> {
    // serde would take an array for a struct.
    if !raw.get().starts_with('{') {
        return Err(ApiError::invalid(format!("an event is a JSON object, not {}", quote(raw.get()))));
    }
    let event: Incoming = serde_json::from_str(raw.get()).map_err(|error| ApiError::invalid(plain(&error)))?;
    let id = match &event.id {
        None => EventId::new(&Uuid::now_v7().to_string()).expect("a UUID is a valid id"),
        Some(given) => given
            .as_str()
            .and_then(|id| EventId::new(id).ok())
            .ok_or_else(|| wrong("id", "a string of 1 to 128 bytes without control characters", given))?,
    };
    let event_type = event.event_type.as_ref().ok_or_else(|| ApiError::invalid("`type` is missing"))?;
    let event_type = event_type
        .as_str()
        .and_then(|name| EventType::new(name).ok())
        .ok_or_else(|| wrong("type", "a string of 1 to 100 bytes of A-Z a-z 0-9 _ . : / -", event_type))?;
    let time = match &event.time {
        None => clock::unix_ms(),
        Some(given) => given
            .as_u64()
            .filter(|time| *time <= Seq::MAX.get())
            .ok_or_else(|| wrong("time", "an integer from 0 to 9007199254740991, milliseconds since 1970", given))?,
    };
    let priority = match &event.priority {
        None => Priority::default(),
        Some(given) => Priority::deserialize(given)
            .map_err(|_| wrong("priority", "one of \"critical\", \"high\", \"normal\", \"low\"", given))?,
    };
    let meta = match &event.meta {
        None => Meta::new(),
        Some(given) => Meta::deserialize(given)
            .ok()
            .filter(|meta| meta.len() <= MAX_META_ENTRIES)
            .ok_or_else(|| wrong("meta", "a flat object of at most 16 strings", given))?,
    };
    let data = event.data.unwrap_or(RawValue::NULL).to_owned();
    let deadline_ms = whole(&event.deadline_ms, "deadline_ms", 1, MAX_DEADLINE_MS)?;
    let retries = whole(&event.retries, "retries", 0, MAX_RETRIES)?;
    let event = NewEvent { id, event_type, time, data, priority, meta, deadline_ms, retries };
    let (bytes, most) = (event.payload_bytes(), limits.max_event_bytes);
    if bytes > most {
        let message = format!("`data` and `meta` have {bytes} bytes, more than {most} (--max-event-bytes)");
        return Err(ApiError::too_large(message));
    }
    Ok(event)
}

/// An integer within its bounds, if it is given.
fn whole(given: &Option<Value>, field: &str, least: u32, most: u32) -> Result<Option<u32>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| wrong(field, &format!("an integer from {least} to {most}"), given))
}

fn wrong(field: &str, rule: &str, given: &Value) -> ApiError {
    ApiError::invalid(format!("`{field}` is {rule}, not {}", quote(&given.to_string())))
}

fn quote(given: &str) -> String {
    let shown = truncate(given, MAX_QUOTED_BYTES);
    if shown.len() < given.len() { format!("{shown}… ({} bytes)", given.len()) } else { shown.to_owned() }
}

/// serde's words without its position, which counts from the event's own beginning.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

fn body_too_large(limits: &Limits) -> ApiError {
    let most = limits.max_batch_bytes;
    ApiError::too_large(format!("the body has more than {most} bytes (--max-batch-bytes); nothing was appended"))
}
