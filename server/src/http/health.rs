//! Whether the process lives, and whether it can do its work.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::sync::Arc;

use crate::{App, SERVICE, VERSION};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/health", get(live)).route("/health/live", get(live)).route("/health/ready", get(ready))
}

async fn live() -> Response {
    report(StatusCode::OK, "ok", None)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        return report(StatusCode::SERVICE_UNAVAILABLE, "draining", None);
    }
    match app.log.check().await {
        Ok(()) => report(StatusCode::OK, "ok", None),
        Err(error) => report(StatusCode::SERVICE_UNAVAILABLE, "unavailable", Some(error.to_string())),
    }
}

fn report(code: StatusCode, status: &str, message: Option<String>) -> Response {
    let mut body = json!({ "status": status, "service": SERVICE, "version": VERSION });
    if let Some(message) = message {
        body["message"] = message.into();
    }
    (code, Json(body)).into_response()
}
