//! For the demo, in development mode only: `POST /v1/dev/runs` starts an agent, `/v1/dev/trouble` makes its way to the
//! browser a bad one, `POST /v1/dev/cut` cuts it.

use ackwire::wire::{ConsumerId, ErrorCode};
use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    App,
    agent::{Bounds, Bridge, Confirmation, Errand, Folder, RunKey, survey},
    http::ApiError,
    hub::Awaited,
    trouble::{MAX_ODDS, Odds},
};

/// Most runs at a time.
const MAX_RUNS: usize = 8;
/// Longest pause after a piece of thinking.
const MAX_PACE_MS: u64 = 1_000;
/// Longest wait for a confirmation.
const MAX_CONFIRM_MS: u64 = 30_000;
/// Longest run that can be asked for, in events.
const MAX_MIN_EVENTS: u64 = 100_000;
/// Longest `task` and `term`, in bytes.
const MAX_TEXT_BYTES: usize = 200;
/// Largest body of a request.
const MAX_BODY_BYTES: usize = 4 << 10;

#[derive(Clone)]
struct Dev {
    app: Arc<App>,
    runs: Arc<Semaphore>,
}

/// The routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(app: Arc<App>) -> Router<S> {
    Router::new()
        .route("/v1/dev/runs", post(start_run))
        .route("/v1/dev/trouble", get(show_trouble).post(set_trouble))
        .route("/v1/dev/cut", post(cut))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Dev { app, runs: Arc::new(Semaphore::new(MAX_RUNS)) })
}

/// What [`start_run`] is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RunRequest {
    /// Shown at the head of the run.
    task: String,
    /// What to look for; without it, the name that the agent meets most often.
    term: Option<String>,
    /// The pause after each piece of thinking.
    pace_ms: u64,
    /// The run is at least this long.
    min_events: u64,
    /// How long the agent waits, after each tool, for somebody to confirm what came of it; 0: it does not.
    confirm_ms: u64,
}

impl Default for RunRequest {
    fn default() -> Self {
        Self { task: "Get to know this folder".into(), term: None, pace_ms: 30, min_events: 0, confirm_ms: 0 }
    }
}

impl RunRequest {
    fn check(self) -> Result<Errand, ApiError> {
        let Self { task, term, pace_ms, min_events, confirm_ms } = self;
        for (name, text) in [("task", Some(&task)), ("term", term.as_ref())] {
            if text.is_some_and(|text| text.trim().is_empty() || text.len() > MAX_TEXT_BYTES) {
                return Err(ApiError::invalid(format!(
                    "`{name}` has 1 to {MAX_TEXT_BYTES} bytes, and not only spaces"
                )));
            }
        }
        if pace_ms > MAX_PACE_MS {
            return Err(ApiError::invalid(format!("`pace_ms` is from 0 to {MAX_PACE_MS}, not {pace_ms}")));
        }
        if min_events > MAX_MIN_EVENTS {
            return Err(ApiError::invalid(format!("`min_events` is from 0 to {MAX_MIN_EVENTS}, not {min_events}")));
        }
        if confirm_ms > MAX_CONFIRM_MS {
            return Err(ApiError::invalid(format!("`confirm_ms` is from 0 to {MAX_CONFIRM_MS}, not {confirm_ms}")));
        }
        Ok(Errand { task, term, pace: Duration::from_millis(pace_ms), min_events })
    }
}

/// `POST /v1/dev/runs`: starts the agent on the folder that holds the demo page's. Answers where its events go.
async fn start_run(
    State(dev): State<Dev>,
    request: Result<Json<RunRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let request = body(request)?;
    let within = Duration::from_millis(request.confirm_ms);
    let errand = request.check()?;
    let permit = dev.runs.try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_RUNS} runs are going on; start another when one has ended");
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
    })?;
    let folder = workplace(&dev.app.config.www);
    let opened = Folder::open(&folder, Bounds::default()).map_err(|error| {
        let message = format!("the agent cannot enter {}: {error}", folder.display());
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
    })?;

    let id = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let key = RunKey::new(&id, "demo", "demo").expect("hex digits are valid in a stream's name");
    let stream = key.stream().clone();
    // Whoever is told the name finds the stream.
    dev.app.log.tail(&stream).await?;
    let bridge = Bridge::new(dev.app.log.clone());
    let (hub, awaited) = (dev.app.hub.clone(), Awaited::Any);
    let confirmation = (!within.is_zero()).then_some(Confirmation { hub, awaited, by_user: false, within });
    let answer = json!({ "run": id, "stream": stream });
    tokio::spawn(async move {
        if let Err(error) = survey(&bridge, key, opened, errand, confirmation).await {
            tracing::warn!(%stream, %error, "the run broke off");
        }
        drop(permit);
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The folder around the demo page's: the project itself, for who starts the demo there.
fn workplace(www: &Path) -> PathBuf {
    match www.parent() {
        Some(parent) if parent != Path::new("") => parent.into(),
        _ => PathBuf::from("."),
    }
}

/// Whose trouble.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    consumer: ConsumerId,
}

/// What [`set_trouble`] is asked: all three odds; those left out are 0.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TroubleRequest {
    consumer: ConsumerId,
    #[serde(default)]
    drop: f64,
    #[serde(default)]
    duplicate: f64,
    #[serde(default)]
    reorder: f64,
}

/// `GET /v1/dev/trouble?consumer=…`: the odds that are set.
async fn show_trouble(
    State(dev): State<Dev>,
    query: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Odds>, ApiError> {
    let Query(Whose { consumer }) =
        query.map_err(|error| ApiError::invalid(format!("in the query: {}", error.body_text())))?;
    Ok(Json(dev.app.troubles.get(&consumer)))
}

/// `POST /v1/dev/trouble`: sets them, for open connections too.
async fn set_trouble(
    State(dev): State<Dev>,
    request: Result<Json<TroubleRequest>, JsonRejection>,
) -> Result<Json<Odds>, ApiError> {
    let TroubleRequest { consumer, drop, duplicate, reorder } = body(request)?;
    let odds = Odds { drop, duplicate, reorder };
    if let Some(name) = odds.out_of_bounds() {
        return Err(ApiError::invalid(format!("`{name}` is a probability from 0 to {MAX_ODDS}")));
    }
    dev.app.troubles.set(consumer, odds);
    Ok(Json(odds))
}

/// `POST /v1/dev/cut`: breaks off the consumer's connections, as a network does.
async fn cut(State(dev): State<Dev>, request: Result<Json<Whose>, JsonRejection>) -> Result<Json<Value>, ApiError> {
    let Whose { consumer } = body(request)?;
    dev.app.hub.cut(&consumer);
    Ok(Json(json!({ "consumer": consumer })))
}

fn body<T>(request: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    request.map(|Json(body)| body).map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(format!("the body has more than {MAX_BODY_BYTES} bytes")),
        _ => ApiError::invalid(error.body_text()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_works_around_the_demo_page() {
        assert_eq!(workplace(Path::new("./www")), Path::new("."));
        assert_eq!(workplace(Path::new("www")), Path::new("."));
        assert_eq!(workplace(Path::new("/srv/ackwire/www")), Path::new("/srv/ackwire"));
    }

    #[test]
    fn a_request_names_what_is_out_of_bounds() {
        let refused = |request: RunRequest| request.check().unwrap_err().message;
        assert!(refused(RunRequest { pace_ms: 1_001, ..Default::default() }).contains("`pace_ms`"));
        assert!(refused(RunRequest { min_events: 100_001, ..Default::default() }).contains("`min_events`"));
        assert!(refused(RunRequest { confirm_ms: 30_001, ..Default::default() }).contains("`confirm_ms`"));
        assert!(refused(RunRequest { term: Some(" ".into()), ..Default::default() }).contains("`term`"));
        assert!(refused(RunRequest { task: "x".repeat(201), ..Default::default() }).contains("`task`"));
        assert!(RunRequest::default().check().is_ok());
    }
}
