//! What is done to single events, over HTTP: their user confirms and fails them, the stream's producers requeue and
//! discard dead letters, operators do everything.

use ackwire::{
    deliver::NotDone,
    wire::{ConsumerId, ErrorCode},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{ApiError, access::Reader, bounds::Small, deliveries::find, streams::existing};
use crate::{
    App,
    hub::{OpenError, OperationError},
    log::ConsumerKey,
};

/// For whom, and what else there is to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    consumer: ConsumerId,
    /// Whose consumer; the caller's own if it is absent.
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    retry: Option<bool>,
}

type Answer = Result<Json<Value>, ApiError>;
type EventPath = Path<(String, String)>;

/// `POST /v1/streams/{stream}/events/{id}/confirm` with `{consumer, subject?}`: the event is applied. `changed` is false
/// if it was confirmed before.
pub(super) async fn confirm(app: State<Arc<App>>, reader: Reader, path: EventPath, body: Small) -> Answer {
    let Operation { app, stream, key, event, .. } = prepare(app, reader, path, body, Right::Own).await?;
    let changed = app.hub.confirm(&stream, &key, &event).await?;
    Ok(Json(json!({ "id": event.id, "seq": event.seq, "changed": changed })))
}

/// `POST /v1/streams/{stream}/events/{id}/fail` with `{consumer, error?, retry?, subject?}`: the event could not be
/// applied, and is sent again as after a nack.
pub(super) async fn fail(app: State<Arc<App>>, reader: Reader, path: EventPath, body: Small) -> Answer {
    let Operation { app, stream, key, event, target } = prepare(app, reader, path, body, Right::Own).await?;
    let (error, retry) = (target.error.as_deref().unwrap_or("failed"), target.retry.unwrap_or(true));
    app.hub.fail(&stream, &key, &event, error, retry).await?;
    Ok(Json(json!({ "id": event.id, "seq": event.seq })))
}

/// `POST /v1/streams/{stream}/dead-letters/{id}/requeue` with `{consumer, subject?}`: it is sent again, with all its
/// retries [AW-SEND-9].
pub(super) async fn requeue(app: State<Arc<App>>, reader: Reader, path: EventPath, body: Small) -> Answer {
    let Operation { app, stream, key, event, .. } = prepare(app, reader, path, body, Right::Producers).await?;
    app.hub.requeue(&stream, &key, &event).await?;
    Ok(Json(json!({ "id": event.id, "seq": event.seq })))
}

/// `POST /v1/streams/{stream}/dead-letters/{id}/discard` with `{consumer, subject?}`: it is put away, and stays failed.
pub(super) async fn discard(app: State<Arc<App>>, reader: Reader, path: EventPath, body: Small) -> Answer {
    let Operation { app, stream, key, event, .. } = prepare(app, reader, path, body, Right::Producers).await?;
    app.hub.discard(&stream, &key, &event).await?;
    Ok(Json(json!({ "id": event.id, "seq": event.seq })))
}

struct Operation {
    app: Arc<App>,
    stream: ackwire::wire::StreamName,
    key: ConsumerKey,
    event: ackwire::wire::Event,
    target: Target,
}

/// Who may do it besides operators.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// The user whose consumer it is.
    Own,
    /// Who may write to the stream.
    Producers,
}

async fn prepare(
    State(app): State<Arc<App>>,
    Reader(stream, identity): Reader,
    Path((_, id)): EventPath,
    Small(body): Small,
    right: Right,
) -> Result<Operation, ApiError> {
    let target: Target =
        serde_json::from_slice(&body).map_err(|error| ApiError::invalid(format!("the body: {error}")))?;
    // In development mode nobody has a subject.
    let subject = target.subject.clone().or_else(|| identity.subject.clone());
    let may = match right {
        _ if identity.may_operate() => true,
        Right::Own => subject == identity.subject,
        Right::Producers => identity.may_write(&stream),
    };
    if !may {
        return Err(ApiError::forbidden(match right {
            Right::Own => "only their own user, and operators, confirm and fail a consumer's events",
            Right::Producers => "only the stream's producers, and operators, requeue and discard dead letters",
        }));
    }
    existing(&app, &stream).await?;
    let event = find(&app, &stream, &id).await?;
    let key = ConsumerKey { subject, consumer: target.consumer.clone() };
    Ok(Operation { app, stream, key, event, target })
}

impl From<OperationError> for ApiError {
    fn from(error: OperationError) -> Self {
        let (status, code) = match error {
            OperationError::UnknownConsumer => (StatusCode::NOT_FOUND, "unknown_consumer"),
            OperationError::NotDone(NotDone::UnknownEvent) => (StatusCode::NOT_FOUND, ErrorCode::UnknownEvent.as_str()),
            OperationError::NotDone(NotDone::Settled) => (StatusCode::CONFLICT, "settled"),
            OperationError::NotDone(NotDone::NoDeadLetter) => (StatusCode::NOT_FOUND, "no_dead_letter"),
            OperationError::NotDone(NotDone::TooMany) => {
                (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests.as_str())
            }
            OperationError::Open(OpenError::TooMany(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TooManyRequests.as_str())
            }
            OperationError::Open(OpenError::Superseded) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable.as_str())
            }
            OperationError::Open(OpenError::Log(error)) => return error.into(),
        };
        Self { status, code, message: error.to_string() }
    }
}
