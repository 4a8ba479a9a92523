//! What became of events, over HTTP.

use ackwire::wire::{ErrorCode, Event, EventId, SeqRange, StreamName};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{ApiError, access::Readable, streams::existing};
use crate::{App, log::PageLimit};

/// `GET /v1/streams/{stream}/events/{id}`: the event, and what became of it for each consumer of the stream.
pub(super) async fn event(
    State(app): State<Arc<App>>,
    Readable(stream): Readable,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    existing(&app, &stream).await?;
    let event = find(&app, &stream, &id).await?;
    let deliveries = app.hub.status(&stream, &event).await?;
    Ok(Json(json!({ "event": event, "deliveries": deliveries })))
}

/// `GET /v1/streams/{stream}/consumers`: who has subscribed to it, and how far they are.
pub(super) async fn consumers(
    State(app): State<Arc<App>>,
    Readable(stream): Readable,
) -> Result<Json<Value>, ApiError> {
    existing(&app, &stream).await?;
    let consumers = app.hub.consumers(&stream).await?;
    Ok(Json(json!({ "stream": stream, "consumers": consumers })))
}

async fn find(app: &App, stream: &StreamName, id: &str) -> Result<Event, ApiError> {
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
