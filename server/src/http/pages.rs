//! The demo page and the package that it loads, in development mode.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
};
use std::sync::Arc;
use tower_http::{
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};

use crate::{App, config::Config};

/// No inline script or style, nothing from elsewhere; `ws:` because not every browser counts it to 'self' (an IPv6 host
/// cannot be named in a policy).
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     connect-src 'self' ws://127.0.0.1:* ws://localhost:*; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    // What is being developed changes; ask whether it did.
    (header::CACHE_CONTROL, "no-cache"),
];

/// `/` and `/demo/…` from the page's folder, `/pkg/…` from the package's.
pub(super) fn routes(config: &Config) -> Router<Arc<App>> {
    let index = config.www.join("index.html");
    if !index.exists() {
        tracing::warn!(file = %index.display(), "there is no demo page: --www names its folder");
    }
    let pages = Router::new()
        .route_service("/", ServeFile::new(index))
        .nest_service("/demo", ServeDir::new(&config.www))
        .nest_service("/pkg", ServeDir::new(&config.pkg));
    HEADERS.into_iter().fold(pages, |pages, (name, value)| {
        pages.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}
