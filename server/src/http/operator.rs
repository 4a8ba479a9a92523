//! For those who look after the server: metrics, statistics, and a page that shows what goes on.
//!
//! Everything but the page's own files, which say nothing, wants a token with `ackwire.operate`, or development mode.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tower_http::set_header::SetResponseHeaderLayer;

use super::{ApiError, access::Operator, query::PageQuery, views::StreamView};
use crate::{App, SERVICE, VERSION, clock, hub::TroubledConsumer, metrics, metrics::Stats};

/// Most streams in an answer: each brings its consumers.
const MAX_PAGE_STREAMS: usize = 100;

/// Nothing inline, nothing from elsewhere, no markup out of text.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";

/// Besides those that every answer has ([`super::headers`]).
const PAGE_HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // The page is the binary's: another binary, another page.
    (header::CACHE_CONTROL, "no-cache"),
];

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// `/operator` and its files, `/metrics`, `/v1/stats`, `/v1/operator/…`.
pub(super) fn routes() -> Router<Arc<App>> {
    let page = Router::new()
        .route("/operator", file(HTML, include_str!("../operator/index.html")))
        .route("/operator/main.js", file(JAVASCRIPT, include_str!("../operator/main.js")))
        .route("/operator/views.js", file(JAVASCRIPT, include_str!("../operator/views.js")))
        .route("/operator/dom.js", file(JAVASCRIPT, include_str!("../operator/dom.js")))
        .route("/operator/style.css", file("text/css; charset=utf-8", include_str!("../operator/style.css")))
        .route("/operator/icon.svg", file("image/svg+xml", include_str!("../operator/icon.svg")));
    let page = PAGE_HEADERS.into_iter().fold(page, |page, (name, value)| {
        page.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    });
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/v1/stats", get(show_stats))
        .route("/v1/operator/overview", get(overview))
        .route("/v1/operator/streams", get(streams))
        .merge(page)
}

fn file(content_type: &'static str, text: &'static str) -> axum::routing::MethodRouter<Arc<App>> {
    get(move || async move { ([(header::CONTENT_TYPE, content_type)], text) })
}

/// `GET /metrics`: Prometheus' text format. With `--metrics-open` for everyone.
async fn show_metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    if !app.config.metrics_open {
        Operator::admit(&app, &headers)?;
    }
    let monitor = app.hub.monitor();
    let text = monitor.metrics().render(&app.hub.depths(), &monitor.standing());
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// `GET /v1/stats`: what became of events in this life of the server.
async fn show_stats(_: Operator, State(app): State<Arc<App>>) -> Json<Stats> {
    Json(app.hub.monitor().metrics().stats())
}

/// `GET /v1/operator/overview`: the server as a whole. Alerts come newest first; times are milliseconds since 1970.
async fn overview(_: Operator, State(app): State<Arc<App>>) -> Json<Value> {
    let (monitor, depths) = (app.hub.monitor(), app.hub.depths());
    Json(json!({
        "service": SERVICE,
        "version": VERSION,
        "now": clock::unix_ms(),
        "draining": app.is_draining(),
        "depths": depths,
        "stats": monitor.metrics().stats(),
        "alerts": monitor.alerts(),
    }))
}

/// `GET /v1/operator/streams?after=name&limit=100`: streams in the order of their names, each with its consumers and
/// their troubled events. `next` is the `after` of the next page, `null` if there is none.
async fn streams(_: Operator, State(app): State<Arc<App>>, query: PageQuery) -> Result<Json<Value>, ApiError> {
    let limit = query.limit(MAX_PAGE_STREAMS)?;
    let page = app.log.streams(query.stream_after()?.as_ref(), limit).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|(name, _)| name.clone());
    let mut streams = Vec::with_capacity(page.len());
    for (name, tail) in page {
        let consumers = app.hub.troubled_consumers(&name).await?;
        streams.push(WatchedStream { stream: StreamView::new(name, tail), consumers });
    }
    Ok(Json(json!({ "streams": streams, "next": next })))
}

/// A stream, and everyone who reads it.
#[derive(Serialize)]
struct WatchedStream {
    #[serde(flatten)]
    stream: StreamView,
    consumers: Vec<TroubledConsumer>,
}
