//! What answers take of the memory while their readers take their time.

use ackwire::wire::ErrorCode;
use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;
use crate::{
    App,
    limits::{LARGE_ANSWER_BYTES, Limits},
};

/// What one permit stands for.
const UNIT_BYTES: usize = 1 << 10;

/// Room for large answers.
pub(crate) struct AnswerRoom(Arc<Semaphore>);

impl AnswerRoom {
    /// As much as the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.max_answer_bytes / UNIT_BYTES)))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        self.0.clone().try_acquire_many_owned(units).ok()
    }
}

/// An answer, and the room that it takes until the last of it is written.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts a large answer until it is written, and gives another one in its place if there is no room for it.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let size = body.size_hint().exact().unwrap_or(0);
    if size < LARGE_ANSWER_BYTES as u64 {
        return Response::from_parts(parts, body);
    }
    // They are in one piece, which is handed over and not copied.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, "the answer broke off")
            .into_response();
    };
    let Some(room) = app.answers.take(bytes.len()) else {
        let most = app.config.limits.max_answer_bytes;
        let message = format!(
            "answers of {most} bytes (--max-answer-bytes) wait for their readers: try again later, or with a smaller `limit`"
        );
        let code = ErrorCode::TooManyRequests;
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).into_response();
    };
    Response::from_parts(parts, Body::from(Bytes::from_owner(Held { bytes, _room: room })))
}
