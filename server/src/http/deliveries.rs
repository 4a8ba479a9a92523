//! What became of events, over HTTP. Who reads a stream sees what became of its events for consumers of their own; its
//! producers and operators see everyone's.

use ackwire::wire::{ErrorCode, Event, EventId, SeqRange, StreamName};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    ApiError,
    access::{Named, Reader, confined, identify},
    query::{DeliveryQuery, WaitQuery},
    streams::existing,
};
use crate::{
    App,
    hub::{DeliveryView, Listing, Outcome, Selection, TrackedView, WaitError},
    log::PageLimit,
};

/// `GET /v1/streams/{stream}/events/{id}`: the event, and what became of it for each consumer of the stream. With
/// `?wait=confirmed&consumer=any|all|NAME&timeout_ms=`, answers once that is known or the time is over, and says what
/// came of it in `waited`.
pub(super) async fn event(
    State(app): State<Arc<App>>,
    Reader(stream, identity): Reader,
    Path((_, id)): Path<(String, String)>,
    wait: WaitQuery,
) -> Result<Json<EventView>, ApiError> {
    existing(&app, &stream).await?;
    let event = find(&app, &stream, &id).await?;
    let selection = confined(&identity, &stream);
    let waited = match wait.wait()? {
        Some((awaited, within)) => Some(app.hub.wait(&stream, &event, &awaited, &selection, within).await?),
        None => None,
    };
    let deliveries = app.hub.selected(&stream, &event, &selection).await?;
    let deliveries = deliveries.into_iter().map(|(view, _)| view).collect();
    Ok(Json(EventView { event, deliveries, waited }))
}

/// An event, and what became of it. Never a `Value`: not every `data` fits into one.
#[derive(Serialize)]
pub(super) struct EventView {
    event: Event,
    deliveries: Vec<DeliveryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited: Option<Outcome>,
}

/// `GET /v1/streams/{stream}/consumers`: who has subscribed to it, and how far they are.
pub(super) async fn consumers(
    State(app): State<Arc<App>>,
    Reader(stream, identity): Reader,
) -> Result<Json<Value>, ApiError> {
    existing(&app, &stream).await?;
    let selection = confined(&identity, &stream);
    let mut consumers = app.hub.consumers(&stream).await?;
    consumers.retain(|view| selection.subject.as_ref().is_none_or(|subject| *subject == view.subject));
    Ok(Json(json!({ "stream": stream, "consumers": consumers })))
}

/// The lists, of a stream and of a consumer.
///
/// - `GET /v1/streams/{stream}/pending?consumer=&run_id=&thread_id=&limit=`: what is not settled, for each consumer.
/// - `GET /v1/streams/{stream}/expired?…`: what was not confirmed in time, and is not settled by now.
/// - `GET /v1/streams/{stream}/dead-letters?…`: what failed for good, and was neither requeued nor discarded.
/// - `GET /v1/consumers/{consumer}/pending|expired|dead-letters?stream=&run_id=&thread_id=&limit=`: the same for a consumer,
///   stream by stream, of the streams that the caller may read. Each event names its `stream`.
pub(super) fn lists() -> Router<Arc<App>> {
    let lists = [("pending", Listing::Pending), ("expired", Listing::Expired), ("dead-letters", Listing::DeadLetters)];
    lists.into_iter().fold(Router::new(), |routes, (name, listing)| {
        let of_stream = move |app, reader, query| list(app, reader, query, listing);
        let of_consumer = move |app, name, headers, query| list_of(app, name, headers, query, listing);
        routes
            .route(&format!("/v1/streams/{{stream}}/{name}"), get(of_stream))
            .route(&format!("/v1/consumers/{{consumer}}/{name}"), get(of_consumer))
    })
}

type ListAnswer = Result<Json<Value>, ApiError>;

async fn list(
    State(app): State<Arc<App>>,
    Reader(stream, identity): Reader,
    query: DeliveryQuery,
    listing: Listing,
) -> ListAnswer {
    existing(&app, &stream).await?;
    let (selection, limit) = query.selection(confined(&identity, &stream))?;
    let events = app.hub.list(&stream, listing, &selection, limit).await?;
    Ok(Json(json!({ "stream": stream, "events": events })))
}

async fn list_of(
    State(app): State<Arc<App>>,
    Named(name): Named,
    headers: HeaderMap,
    query: DeliveryQuery,
    listing: Listing,
) -> ListAnswer {
    let identity = identify(&app, &headers)?;
    let (consumer, stream, query) = query.of_consumer(&name)?;
    let (mut events, mut left) = (Vec::new(), query.selection(Selection::default())?.1);
    let streams = app.hub.streams_of(&consumer).await?;
    let is_wanted = |name: &StreamName| stream.as_ref().is_none_or(|stream| stream == name);
    for stream in streams.into_iter().filter(|name| is_wanted(name) && identity.may_read(name)) {
        if left == 0 {
            break;
        }
        let (selection, _) = query.selection(confined(&identity, &stream))?;
        let listed = app.hub.list(&stream, listing, &selection, left).await?;
        left -= listed.len().min(left);
        events.extend(listed.into_iter().map(|event| Placed { stream: stream.clone(), event }));
    }
    Ok(Json(json!({ "consumer": consumer, "events": events })))
}

/// An event of one of several streams.
#[derive(Serialize)]
struct Placed {
    stream: StreamName,
    #[serde(flatten)]
    event: TrackedView,
}

/// An event by its id.
pub(super) async fn find(app: &App, stream: &StreamName, id: &str) -> Result<Event, ApiError> {
    let unknown = || {
        let message = format!("the stream `{stream}` has no event with this id, or no longer");
        ApiError::new(StatusCode::NOT_FOUND, ErrorCode::UnknownEvent, message)
    };
    let id = EventId::new(id).map_err(|error| ApiError::invalid(error.to_string()))?;
    let seq = app.log.find(stream, &id).await?.ok_or_else(unknown)?;
    let single = SeqRange::single(seq).ok_or_else(unknown)?;
    let page = app.log.read(stream, single, PageLimit { events: 1, bytes: 1 }).await?;
    page.entries.first().map(|entry| entry.event().clone()).ok_or_else(unknown)
}

impl From<WaitError> for ApiError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TooMany(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, error.to_string())
            }
            WaitError::Log(error) => error.into(),
        }
    }
}
