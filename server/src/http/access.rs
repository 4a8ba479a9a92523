//! Who is asking, from where.

use ackwire::wire::{ErrorCode, StreamName};
use axum::{
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::{
    convert::Infallible,
    sync::{Arc, Once},
};

use super::ApiError;
use crate::{
    App,
    auth::{AuthError, Identity},
    hub::Selection,
    peers::{Peer, PeerFrom},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Has the operator told once, and not by each request.
static PROXY_SEEN: Once = Once::new();

/// Who sends these headers.
pub fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, ApiError> {
    let bearer = text(headers, header::AUTHORIZATION).map(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthError::Refused("the Authorization header is not `Bearer` and a token")),
    });
    Ok(app.auth.authenticate(bearer.transpose()?)?)
}

/// The stream that a path names, for someone who may read it.
pub(super) struct Readable(pub(super) StreamName);

impl FromRequestParts<Arc<App>> for Readable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identity = identify(app, &parts.headers)?;
        let stream = stream_name(parts, app).await?;
        if identity.may_read(&stream) {
            return Ok(Self(stream));
        }
        Err(ApiError::forbidden(format!("the token's `ackwire.read` does not cover the stream `{stream}`")))
    }
}

/// The stream that a path names, and who may read it, or write to it, or operates the server.
pub(super) struct Reader(pub(super) StreamName, pub(super) Identity);

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identity = identify(app, &parts.headers)?;
        let stream = stream_name(parts, app).await?;
        if identity.may_read(&stream) || identity.may_write(&stream) || identity.may_operate() {
            return Ok(Self(stream, identity));
        }
        Err(ApiError::forbidden(format!("the token's `ackwire.read` does not cover the stream `{stream}`")))
    }
}

/// The one thing that a path names, where that is no stream.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|error| ApiError::invalid(error.body_text()))
    }
}

/// Whose deliveries they see: everyone's, who may write to the stream or operates the server, others their own.
pub(super) fn confined(identity: &Identity, stream: &StreamName) -> Selection {
    let sees_all = identity.may_operate() || identity.may_write(stream);
    Selection { subject: (!sees_all).then(|| identity.subject.clone()), ..Selection::default() }
}

/// The stream that a path names, for someone who may write to it.
pub(super) struct Writable(pub(super) StreamName);

impl FromRequestParts<Arc<App>> for Writable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identity = identify(app, &parts.headers)?;
        let stream = stream_name(parts, app).await?;
        if identity.may_write(&stream) {
            return Ok(Self(stream));
        }
        Err(ApiError::forbidden(format!("the token's `ackwire.write` does not cover the stream `{stream}`")))
    }
}

/// Someone who may see and act for every user of the server.
pub(super) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Self::admit(app, &parts.headers)
    }
}

impl Operator {
    /// Who sends these headers is one.
    pub(super) fn admit(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        if identify(app, headers)?.may_operate() {
            return Ok(Self);
        }
        Err(ApiError::forbidden("this is for operators: the token's `ackwire.operate` is not true"))
    }
}

/// Who is at the other end, as far as that is known ([`PeerFrom`]).
pub(crate) struct Sender(pub(crate) Option<Peer>);

impl FromRequestParts<Arc<App>> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        if app.config.peer_from == PeerFrom::Socket && parts.headers.contains_key(FORWARDED_FOR) {
            PROXY_SEEN.call_once(|| {
                tracing::warn!(
                    "a request came with X-Forwarded-For: if there is a proxy before this server, all its clients count as \
                     one address until --peer-from says how they are told apart"
                );
            });
        }
        Ok(Self(app.config.peer_from.peer(&parts.headers, &parts.extensions)))
    }
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

/// What a path names; a route may name more.
#[derive(Deserialize)]
struct Names {
    stream: String,
}

async fn stream_name(parts: &mut Parts, app: &Arc<App>) -> Result<StreamName, ApiError> {
    let invalid = |message| ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidStream, message);
    let names = Path::<Names>::from_request_parts(parts, app).await;
    let Path(Names { stream }) = names.map_err(|error| invalid(error.body_text()))?;
    StreamName::new(&stream).map_err(|error| invalid(format!("`{stream}` names no stream: {error}")))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
