//! Requests to the real router, over a log in memory: nothing that a producer or an operator sends may make the server
//! panic or answer 5xx, a refusal says why in JSON and changes nothing, and an append takes all of its events or none.

mod append;
mod request;

use ackwire::wire::StreamName;
use ackwire_server::{
    App,
    config::Config,
    log::{Log, MemoryLog, Retention, Tail},
};
use axum::{
    Router,
    http::{Method, StatusCode},
};
use clap::Parser;
use http_body_util::BodyExt;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use tower::ServiceExt;

use request::Given;

/// Most requests of one input.
const MAX_REQUESTS: usize = 12;
/// Small limits are reached more often.
const FLAGS: [&str; 8] =
    ["fuzz", "--dev", "--max-event-bytes", "1024", "--max-batch-events", "8", "--max-batch-bytes", "4096"];

/// Reads the bytes as requests, one after the other to the same server: `METHOD target content-type`, a line break, the
/// body; between two requests a record separator (0x1e).
pub fn http(bytes: &[u8]) {
    let config = Config::try_parse_from(FLAGS).expect("settings that go together");
    // Who waits for a confirmation waits no longer than it takes to see that nothing else happens.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(Retention::default()));
        let router = App::new(config, log.clone()).expect("settings that go together").router();
        for text in bytes.split(|byte| *byte == 0x1e).take(MAX_REQUESTS) {
            if let Some(given) = Given::read(text) {
                exchange(&router, &log, &given).await;
            }
        }
    });
}

async fn exchange(router: &Router, log: &Arc<dyn Log>, given: &Given) {
    let before = streams(log).await;
    let response = router.clone().oneshot(given.request()).await.expect("a router answers");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    let after = streams(log).await;
    let status = head.status;
    assert!(status.is_success() || status.is_redirection() || status.is_client_error(), "{status} to {given:?}");
    if !status.is_success() {
        assert_eq!(before, after, "{status} to {given:?}, and something changed");
    }
    if status.is_client_error() && given.method != Method::HEAD {
        check_refusal(status, &body, given);
    }
    if given.is_append() && status.is_success() {
        append::check(log, given, status, &parse(&body), (&before, &after)).await;
    } else if given.method == Method::GET || given.method == Method::HEAD {
        assert_eq!(before, after, "{given:?} changed something");
    }
}

/// `{"error": {"code", "message"}}`, or nothing at all where the application that mounts the routes would answer.
fn check_refusal(status: StatusCode, body: &[u8], given: &Given) {
    if status == StatusCode::NOT_FOUND && body.is_empty() {
        return;
    }
    let error = &parse(body)["error"];
    let said = |field: &str| error[field].as_str().is_some_and(|text| !text.is_empty());
    assert!(said("code") && said("message"), "{status} to {given:?}: {error}");
}

type Streams = BTreeMap<StreamName, Tail>;

async fn streams(log: &Arc<dyn Log>) -> Streams {
    log.streams(None, usize::MAX).await.expect("a log in memory").into_iter().collect()
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}
