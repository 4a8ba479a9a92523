//! Clients that ask for much and read little, against the real program.

use crate::support::{
    program::{Running, program},
    raw::Raw,
};
use reqwest::StatusCode;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A page of 4 MiB, which no socket takes at once.
const LARGE: &str = "GET /v1/streams/run:1/events?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// A server whose stream `run:1` has 4 MiB of events.
async fn start(flags: &[&str]) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let all = [&["--dev", "--port", "0", "--log", "memory", "--drain", "0s"], flags].concat();
    let server = Running::start(program(&all, &folder));
    let event = serde_json::json!({ "type": "x", "data": "x".repeat(100_000) });
    let events = vec![event; 41];
    let post = reqwest::Client::new().post(format!("{}/v1/streams/run:1/events", server.url)).json(&events);
    assert_eq!(post.send().await.unwrap().status(), StatusCode::CREATED);
    (server, folder)
}

/// Has asked for the page, with no room for it.
async fn ask(server: &Running) -> Raw {
    let mut raw = Raw::connect_narrow(&server.url).await;
    raw.send(LARGE).await;
    raw
}

async fn status(server: &Running, path: &str) -> StatusCode {
    let got = reqwest::get(format!("{}{path}", server.url));
    tokio::time::timeout(SOON, got).await.expect("an answer").unwrap().status()
}

/// Who holds up an answer holds up a connection, and is closed for it. The only place shows when.
#[tokio::test]
async fn an_answer_that_is_not_read_in_time_ends_its_connection() {
    let (server, _folder) = start(&["--max-http-connections", "1", "--answer-timeout", "300ms"]).await;
    let mut stalled = ask(&server).await;
    let head = stalled.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(status(&server, "/health").await, StatusCode::OK);
    assert!(stalled.rest().await.len() < 4_000_000, "it broke off");
}

/// Nor does it help to read a byte now and then: the time is that of the whole answer.
#[tokio::test]
async fn an_answer_that_is_read_byte_by_byte_ends_its_connection() {
    let (server, _folder) = start(&["--max-http-connections", "1", "--answer-timeout", "300ms"]).await;
    let mut dripping = ask(&server).await;
    let head = dripping.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut taken = 0;
    let drip = async {
        while dripping.take(1).await.is_some() {
            taken += 1;
        }
    };
    tokio::select! {
        status = status(&server, "/health") => assert_eq!(status, StatusCode::OK),
        () = drip => {}
    }
    assert!(taken + dripping.rest().await.len() < 4_000_000, "it broke off");
}

/// What waits for readers is bounded as a whole; small answers do not count, and whoever leaves makes room.
#[tokio::test]
async fn answers_that_wait_for_their_readers_are_bounded() {
    let (server, _folder) = start(&["--max-answer-bytes", "10000000"]).await;
    let large = "/v1/streams/run:1/events?limit=1000";
    let mut waiting = [ask(&server).await, ask(&server).await];
    for raw in &mut waiting {
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    assert_eq!(status(&server, large).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&server, "/v1/streams/run:1").await, StatusCode::OK);
    drop(waiting);
    while status(&server, large).await != StatusCode::OK {}
    // And so does everyone who has read it.
    for _ in 0..5 {
        let text = reqwest::get(format!("{}{large}", server.url)).await.unwrap().text().await.unwrap();
        assert!(text.len() > 4_000_000);
    }
}
