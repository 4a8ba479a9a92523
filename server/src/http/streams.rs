//! Streams, over HTTP.

use ackwire::wire::{ErrorCode, Event, Seq, SeqRange, StreamName};
use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{ApiError, access, body};
use crate::{
    App,
    log::{PageLimit, Tail},
};

/// Most events in an answer.
const MAX_PAGE_EVENTS: usize = 1000;
/// Most bytes of events in an answer; one event is always allowed.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most streams in an answer.
const MAX_PAGE_STREAMS: usize = 1000;

/// `POST /v1/streams/{stream}/events`: appends all events of the body or none; 201, or 200 if it had them all.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, ApiError> {
    let stream = access::writable(&app, &headers, &name)?;
    let events = body::read_events(&headers, content, &app.config.limits).await?;
    let appended = app.log.append(&stream, events).await?;
    let placed = appended.events.iter();
    let status = match placed.clone().all(|event| event.duplicate) {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let events: Vec<Value> =
        placed.map(|event| json!({ "id": event.id, "seq": event.seq, "duplicate": event.duplicate })).collect();
    let answer = json!({ "stream": stream, "epoch": appended.epoch, "events": events });
    Ok((status, Json(answer)).into_response())
}

/// `POST /v1/streams/{stream}/end`: the stream takes no more events.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StreamView>, ApiError> {
    let stream = access::writable(&app, &headers, &name)?;
    let tail = app.log.end(&stream).await?;
    Ok(Json(StreamView::new(stream, tail)))
}

/// `GET /v1/streams/{stream}`: where it stands.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<StreamView>, ApiError> {
    let stream = access::readable(&app, &headers, &name)?;
    let tail = existing(&app, &stream).await?;
    Ok(Json(StreamView::new(stream, tail)))
}

/// What [`events`] is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// `GET /v1/streams/{stream}/events?after=0&limit=100`: a page of its events.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let stream = access::readable(&app, &headers, &name)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(format!("in the query: {}", error.body_text())))?;
    let after = Seq::new(query.after)
        .map_err(|_| ApiError::invalid(format!("`after` is from 0 to 9007199254740991, not {}", query.after)))?;
    let limit = page_size(query.limit, MAX_PAGE_EVENTS)?;
    let tail = existing(&app, &stream).await?;
    let mut answer = EventsView {
        epoch: &tail.epoch,
        after,
        upto: after,
        oldest: tail.oldest,
        head: tail.head,
        ended: tail.ended,
        stream: &stream,
        events: Vec::new(),
    };
    let Some(range) = SeqRange::new(after, tail.head) else { return Ok(Json(answer).into_response()) };
    let page = app.log.read(&stream, range, PageLimit { events: limit, bytes: MAX_PAGE_BYTES }).await?;
    (answer.upto, answer.oldest) = (page.upto, page.oldest);
    answer.events = page.entries.iter().map(|entry| entry.event()).collect();
    Ok(Json(answer).into_response())
}

/// What [`list`] is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<StreamName>,
    limit: Option<usize>,
}

/// `GET /v1/streams?after=name&limit=100`: the streams that the caller may read, in the order of their names.
/// `next` is the `after` of the next page, `null` if there is none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let identity = access::identify(&app, &headers)?;
    let Query(query) = query.map_err(|error| ApiError::invalid(format!("in the query: {}", error.body_text())))?;
    let limit = page_size(query.limit, MAX_PAGE_STREAMS)?;
    let (mut at, mut streams) = (query.after, Vec::new());
    while streams.len() < limit {
        let page = app.log.streams(at.as_ref(), MAX_PAGE_STREAMS).await?;
        let Some((last, _)) = page.last() else { break };
        at = Some(last.clone());
        let readable = page.into_iter().filter(|(name, _)| identity.may_read(name));
        streams.extend(readable.map(|(name, tail)| StreamView::new(name, tail)));
    }
    streams.truncate(limit);
    let next = streams.last().filter(|_| streams.len() == limit).map(|view| view.stream.clone());
    Ok(Json(json!({ "streams": streams, "next": next })))
}

/// Where a stream stands, for people and programs.
#[derive(Serialize)]
pub(super) struct StreamView {
    stream: StreamName,
    epoch: String,
    oldest: Seq,
    head: Seq,
    ended: bool,
    events: u64,
    bytes: u64,
}

impl StreamView {
    fn new(stream: StreamName, tail: Tail) -> Self {
        let Tail { epoch, oldest, head, ended, events, bytes } = tail;
        Self { stream, epoch: epoch.into(), oldest, head, ended, events, bytes }
    }
}

#[derive(Serialize)]
struct EventsView<'a> {
    stream: &'a StreamName,
    epoch: &'a str,
    after: Seq,
    upto: Seq,
    oldest: Seq,
    head: Seq,
    ended: bool,
    events: Vec<&'a Event>,
}

async fn existing(app: &App, stream: &StreamName) -> Result<Tail, ApiError> {
    let unknown = || {
        let message = format!("there is no stream `{stream}`: its first event, or a subscription, creates it");
        ApiError::new(StatusCode::NOT_FOUND, ErrorCode::UnknownStream, message)
    };
    app.log.find_tail(stream).await?.ok_or_else(unknown)
}

fn page_size(given: Option<usize>, most: usize) -> Result<usize, ApiError> {
    match given.unwrap_or(100) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => Err(ApiError::invalid(format!("`limit` is from 1 to {most}, not {limit}"))),
    }
}
