//! A name and a log line for each request; never its headers, its query or its body.

use ackwire::wire::truncate;
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::clock;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from the caller, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;
/// Longest piece of a path that is logged, in bytes.
const MAX_PATH_BYTES: usize = 256;
/// Longest piece of a method that is logged, in bytes.
const MAX_METHOD_BYTES: usize = 16;

/// Names the request (as the caller did, if it did so well), logs what became of it, and tells the caller its name.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_plain(id));
    let id = given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let path = truncate(request.uri().path(), MAX_PATH_BYTES);
    let span = tracing::info_span!("request", id, method = truncate(request.method().as_str(), MAX_METHOD_BYTES), path);
    async {
        let started = clock::now();
        let mut response = next.run(request).await;
        let ms = clock::now().since(started).as_millis();
        let status = response.status();
        match status.is_success() || status.is_informational() || status.is_redirection() {
            true => tracing::debug!(status = status.as_u16(), ms, "answered"),
            false => tracing::info!(status = status.as_u16(), ms, "refused"),
        }
        let id = HeaderValue::from_str(&id).expect("plain letters are a valid header");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.bytes().all(plain)
}
