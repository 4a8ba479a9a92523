//! What every request must keep to, whatever it asks for: the length of its address, the form of its body and how long
//! that takes.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{FromRequest, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

use super::ApiError;
use crate::{
    App,
    limits::{MAX_SMALL_BODY_BYTES, MAX_URI_BYTES},
};

/// A body did not come within its time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct TooSlow;

/// Refuses what is beyond the bounds; the body of what is let through ends with an error if it takes too long.
pub(super) async fn bound(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if address > MAX_URI_BYTES {
        let message = format!("the path and the query have at most {MAX_URI_BYTES} bytes together");
        return ApiError { status: StatusCode::URI_TOO_LONG, code: "uri_too_long", message }.into_response();
    }
    // A small compressed body can be a huge one: what is sent is what is counted.
    let encodings = request.headers().get_all(header::CONTENT_ENCODING);
    if encodings.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let message = "a body is sent as it is, without Content-Encoding".into();
        let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
        return ApiError { status, code, message }.into_response();
    }
    let within = app.config.limits.body_timeout;
    next.run(request.map(|body| in_time(body, within))).await
}

/// The body, which ends with [`TooSlow`] if it is not whole within this time.
fn in_time(body: Body, within: Duration) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let due = Instant::now() + within;
    let pieces = stream::unfold(body.into_data_stream(), move |mut pieces| async move {
        match timeout_at(due, pieces.next()).await {
            Ok(piece) => piece.map(|piece| (piece.map_err(Into::into), pieces)),
            Err(_) => Some((Err::<Bytes, Box<dyn Error + Send + Sync>>(TooSlow.into()), pieces)),
        }
    });
    Body::from_stream(pieces)
}

/// A body that need not be long.
pub(super) struct Small(pub(super) Bytes);

impl FromRequest<Arc<App>> for Small {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        Bytes::from_request(request, app).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ApiError::too_large(format!("the body has more than {MAX_SMALL_BODY_BYTES} bytes"))
            }
            _ => too_slow(&rejection, app).unwrap_or_else(|| ApiError::invalid("the body broke off")),
        })
    }
}

/// What is told of a body that could not be read, if it was too slow.
pub(super) fn too_slow(error: &(dyn Error + 'static), app: &App) -> Option<ApiError> {
    let within = humantime::format_duration(app.config.limits.body_timeout);
    let message = format!("the body did not come within {within} (--body-timeout)");
    let slow = ApiError { status: StatusCode::REQUEST_TIMEOUT, code: "request_timeout", message };
    is_caused_by::<TooSlow>(error).then_some(slow)
}

/// Whether an error is, or goes back to, one of this type.
pub(super) fn is_caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}
