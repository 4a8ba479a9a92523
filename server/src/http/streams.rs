//! Streams, over HTTP.

use ackwire::wire::{ErrorCode, SeqRange, StreamName};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Duration};

use super::{
    ApiError,
    access::{Readable, Writable, identify},
    body,
    deliveries::find,
    query::{PageQuery, WaitQuery},
    views::{AppendedView, EventsView, StreamView, StreamsView, WaitedView},
};
use crate::{
    App,
    hub::{Awaited, Selection},
    log::{PageLimit, Placed, Tail},
};

/// Most events in an answer.
const MAX_PAGE_EVENTS: usize = 1000;
/// Most bytes of events in an answer; one event is always allowed.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most streams in an answer.
const MAX_PAGE_STREAMS: usize = 1000;

/// `POST /v1/streams/{stream}/events`: appends all events of the body or none; 201, or 200 if it had them all. With
/// `?wait=confirmed&consumer=any|all|NAME&timeout_ms=`, answers once it is known of each of them whether it was
/// confirmed, or the time is over, and says what came of them in `waited`, in their order.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    Writable(stream): Writable,
    wait: WaitQuery,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, ApiError> {
    let wait = wait.wait()?;
    let events = body::read_events(&headers, content, &app).await?;
    let appended = app.log.append(&stream, events).await?;
    let known = appended.events.iter().all(|event| event.duplicate);
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    let waited = match wait {
        Some((awaited, within)) => Some(wait_for_all(&app, &stream, &appended.events, &awaited, within).await?),
        None => None,
    };
    let view = AppendedView { stream, epoch: appended.epoch, events: appended.events, waited };
    Ok((status, Json(view)).into_response())
}

/// What came of each event. That the events are appended stays true whatever comes of the wait.
async fn wait_for_all(
    app: &App,
    stream: &StreamName,
    events: &[Placed],
    awaited: &Awaited,
    within: Duration,
) -> Result<Vec<WaitedView>, ApiError> {
    let waits = events.iter().map(async |placed| {
        let event = find(app, stream, &placed.id).await?;
        let waited = app.hub.wait(stream, &event, awaited, &Selection::default(), within).await;
        Ok(WaitedView::new(placed.id.clone(), waited))
    });
    futures_util::future::try_join_all(waits).await
}

/// `POST /v1/streams/{stream}/end`: the stream takes no more events.
pub(super) async fn end(State(app): State<Arc<App>>, Writable(stream): Writable) -> Result<Json<StreamView>, ApiError> {
    let tail = app.log.end(&stream).await?;
    Ok(Json(StreamView::new(stream, tail)))
}

/// `GET /v1/streams/{stream}`: where it stands.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Readable(stream): Readable,
) -> Result<Json<StreamView>, ApiError> {
    let tail = existing(&app, &stream).await?;
    Ok(Json(StreamView::new(stream, tail)))
}

/// `GET /v1/streams/{stream}/events?after=0&limit=100`: a page of its events.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Readable(stream): Readable,
    query: PageQuery,
) -> Result<Response, ApiError> {
    let after = query.seq_after()?;
    let limit = query.limit(MAX_PAGE_EVENTS)?;
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

/// `GET /v1/streams?after=name&limit=100`: the streams that the caller may read, in the order of their names.
/// `next` is the `after` of the next page, `null` if there is none.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: PageQuery,
) -> Result<Json<StreamsView>, ApiError> {
    let identity = identify(&app, &headers)?;
    let limit = query.limit(MAX_PAGE_STREAMS)?;
    let (mut at, mut streams) = (query.stream_after()?, Vec::new());
    while streams.len() < limit {
        let page = app.log.streams(at.as_ref(), MAX_PAGE_STREAMS).await?;
        let Some((last, _)) = page.last() else { break };
        at = Some(last.clone());
        let readable = page.into_iter().filter(|(name, _)| identity.may_read(name));
        streams.extend(readable.map(|(name, tail)| StreamView::new(name, tail)));
    }
    streams.truncate(limit);
    let next = streams.last().filter(|_| streams.len() == limit).map(|view| view.stream.clone());
    Ok(Json(StreamsView { streams, next }))
}

/// Where a stream stands; 404 if it does not exist.
pub(super) async fn existing(app: &App, stream: &StreamName) -> Result<Tail, ApiError> {
    let unknown = || {
        let message = format!("there is no stream `{stream}`: its first event, or a subscription, creates it");
        ApiError::new(StatusCode::NOT_FOUND, ErrorCode::UnknownStream, message)
    };
    app.log.find_tail(stream).await?.ok_or_else(unknown)
}
