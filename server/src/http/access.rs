//! Who is asking, from where.

use ackwire::wire::{ErrorCode, StreamName};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

use super::ApiError;
use crate::{
    App,
    auth::{AuthError, Identity},
};

/// Who sends these headers.
pub fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, ApiError> {
    let bearer = text(headers, header::AUTHORIZATION).map(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthError::Refused("the Authorization header is not `Bearer` and a token")),
    });
    Ok(app.auth.authenticate(bearer.transpose()?)?)
}

/// The stream that a path names, for someone who may read it.
pub(super) fn readable(app: &App, headers: &HeaderMap, name: &str) -> Result<StreamName, ApiError> {
    let identity = identify(app, headers)?;
    let stream = stream_name(name)?;
    if identity.may_read(&stream) {
        return Ok(stream);
    }
    Err(ApiError::forbidden(format!("the token's `ackwire.read` does not cover the stream `{stream}`")))
}

/// The stream that a path names, for someone who may write to it.
pub(super) fn writable(app: &App, headers: &HeaderMap, name: &str) -> Result<StreamName, ApiError> {
    let identity = identify(app, headers)?;
    let stream = stream_name(name)?;
    if identity.may_write(&stream) {
        return Ok(stream);
    }
    Err(ApiError::forbidden(format!("the token's `ackwire.write` does not cover the stream `{stream}`")))
}

/// Lets no other page's requests through: without a body and without a token, a browser would send them for any page.
pub(super) async fn check_origin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // HTTP/2 has the host in the request's target.
    let host = text(headers, header::HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let origin = match headers.get(header::ORIGIN).map(|origin| origin.to_str()) {
        None => None,
        Some(Ok(origin)) => Some(origin),
        Some(Err(_)) => Some("an unreadable origin"),
    };
    if app.origins.allow(origin, host) {
        return next.run(request).await;
    }
    let message = match origin {
        Some(origin) => format!("pages of {origin} may not use this server: allow them with --allow-origin"),
        None => "in development mode this server answers to localhost and loopback addresses only".to_owned(),
    };
    ApiError::forbidden(message).into_response()
}

fn stream_name(name: &str) -> Result<StreamName, ApiError> {
    StreamName::new(name).map_err(|error| {
        ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidStream, format!("`{name}` names no stream: {error}"))
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
