//! Headers that every answer has, so that no page can do with it what it was not made for.
//!
//! There is no CORS: no answer has an `Access-Control-…` header. Pages elsewhere use the WebSocket, whose `Origin` is
//! checked; the HTTP API is for producers, operators and the server's own pages.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Of an answer that has none of its own: data, which runs nothing and is framed nowhere.
const DEFAULTS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Events are somebody's; a shared cache is everybody's.
    (header::CACHE_CONTROL, "no-store"),
];

/// Adds what is missing.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
