//! Requests that are too large, too many, too slow, or not what they seem.

use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use crate::support::{
    Server, answer, assert_refused,
    client::Client,
    header,
    raw::Raw,
    token::{SECRET, token},
};

const SOON: Duration = Duration::from_secs(20);

async fn status(server: &Server, request: &str) -> String {
    let mut raw = Raw::connect(&server.url).await;
    raw.send(request).await;
    raw.head().await.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_answered_with_431_and_too_long_addresses_with_414() {
    let server = Server::start(&["--dev"]).await;
    let request = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
    let many = |count| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let long = |bytes| format!("x-long: {}\r\n", "x".repeat(bytes));
    assert!(status(&server, &request("/v1/streams", &many(90))).await.contains(" 200 "));
    assert!(status(&server, &request("/v1/streams", &long(12_000))).await.contains(" 200 "));
    assert!(status(&server, &request("/v1/streams", &many(101))).await.contains(" 431 "));
    assert!(status(&server, &request("/v1/streams", &long(20_000))).await.contains(" 431 "));
    assert!(status(&server, &request("/v1/streams", &long(1 << 20))).await.contains(" 431 "));
    // A header that never ends is not waited for.
    assert!(status(&server, &format!("GET / HTTP/1.1\r\nx-long: {}", "x".repeat(200_000))).await.contains(" 431 "));

    let query = |bytes: usize| format!("/v1/streams?after={}", "x".repeat(bytes));
    assert_refused(server.get(&query(8_200)).await, 414, "uri_too_long", &["8192"]);
    assert_refused(server.get(&format!("/{}", "x".repeat(9_000))).await, 414, "uri_too_long", &[]);
    assert_refused(server.get(&query(1_000)).await, 400, "invalid_stream", &[]);
    assert!(status(&server, &request(&query(70_000), "")).await.contains(" 431 "));
}

/// Slow-loris: connections that are opened and never ask for anything.
#[tokio::test]
async fn who_does_not_finish_the_head_of_a_request_in_time_is_closed() {
    let server = Server::start(&["--dev", "--header-timeout", "300ms"]).await;
    for begun in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "] {
        let mut raw = Raw::connect(&server.url).await;
        raw.send(begun).await.rest().await;
    }
    // A byte now and then does not help: the time is that of the whole head.
    let mut dripping = Raw::connect(&server.url).await;
    let drip = async {
        loop {
            dripping.send("x").await;
            if dripping.is_closed(&mut Vec::new()).await {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, drip).await.expect("it is closed");
    // Nor does a request before: a connection is not kept for nothing.
    let mut kept = Raw::connect(&server.url).await;
    kept.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&kept.rest().await).starts_with("HTTP/1.1 200 "));
}

/// All places taken by who says nothing: the next one waits, and has its turn.
#[tokio::test]
async fn connections_without_a_request_cannot_keep_others_out() {
    let server = Server::start(&["--dev", "--header-timeout", "300ms", "--max-http-connections", "2"]).await;
    let (_one, _two) = (Raw::connect(&server.url).await, Raw::connect(&server.url).await);
    let (_three, _four) = (Raw::connect(&server.url).await, Raw::connect(&server.url).await);
    let health = tokio::time::timeout(SOON, server.get("/health")).await.expect("a turn");
    assert_eq!(health.0, 200);
}

/// A WebSocket does not count as one: it has a bound of its own.
#[tokio::test]
async fn websockets_leave_room_for_requests() {
    let server = Server::start(&["--dev", "--max-http-connections", "1"]).await;
    let tabs = [Client::hello(&server.url, "a", json!([])).await, Client::hello(&server.url, "b", json!([])).await];
    assert_eq!(server.get("/health").await.0, 200);
    drop(tabs);
}

#[tokio::test]
async fn a_body_that_drips_is_answered_with_408_and_nothing_is_appended() {
    let server = Server::start(&["--dev", "--body-timeout", "300ms"]).await;
    server.append(r#"{"id":"a","type":"x"}"#).await;
    for path in ["/v1/streams/run:1/events", "/v1/streams/run:1/events/a/confirm"] {
        for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
            let mut raw = Raw::connect(&server.url).await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
            );
            raw.send(head).await.send(if framing.contains("chunked") { "1\r\n[\r\n" } else { "[" }).await;
            let head = raw.head().await;
            assert!(head.starts_with("HTTP/1.1 408 "), "{path} {framing}: {head}");
        }
    }
    assert_eq!(server.get("/v1/streams/run:1").await.1["events"], 1);
}

/// Of every route that takes a body, not only of appends.
#[tokio::test]
async fn no_body_is_read_beyond_its_bound() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"{"id":"a","type":"x"}"#).await;
    let huge = format!(r#"{{"consumer":"tab","error":"{}"}}"#, "x".repeat(1 << 20));
    for path in ["events/a/confirm", "events/a/fail", "dead-letters/a/requeue", "dead-letters/a/discard"] {
        let post = server.request(Method::POST, &format!("/v1/streams/run:1/{path}")).body(huge.clone());
        assert_refused(answer(post).await, 413, "too_large", &["16384"]);
    }
}

/// A kilobyte can unpack to a gigabyte: nothing is unpacked.
#[tokio::test]
async fn compressed_bodies_are_refused_and_compressed_websockets_not_offered() {
    let server = Server::start(&["--dev"]).await;
    // gzip of {"type":"x"}
    let packed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xabV*\xa9,HU\xb2R\xaaP\xaa\x05\x00\xf6\xc8\x08\xb0\x0c\x00\x00\x00";
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "x"] {
        let post = server.request(Method::POST, "/v1/streams/run:1/events").header("content-encoding", encoding);
        let post = post.header("content-type", "application/json").body(packed.to_vec());
        assert_refused(answer(post).await, 415, "unsupported_media_type", &["Content-Encoding"]);
    }
    let plain = server.request(Method::POST, "/v1/streams/run:1/events").header("content-encoding", "identity");
    assert_eq!(answer(plain.json(&json!({ "type": "x" }))).await.0, 201);

    let mut raw = Raw::connect(&server.url).await;
    raw.send(crate::support::raw::handshake(
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    ))
    .await;
    let head = raw.head().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-extensions"), "{head}");
    // A compressed frame (RSV1) that was not agreed on ends the connection.
    raw.send(crate::support::raw::frame(0xc1, b"\x00")).await.rest().await;
}

/// Deep nesting overflows the stack of parsers that recurse. Data is carried as text, whatever is in it; a field of the
/// server's own is refused.
#[tokio::test]
async fn deep_nesting_breaks_nothing() {
    let server = Server::start(&["--dev"]).await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!(r#"{}1{}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for (id, data) in [("a", deep(60_000)), ("b", objects(20_000))] {
        let event = format!(r#"{{"id":"{id}","type":"agent_started","data":{data}}}"#);
        assert_eq!(server.append(&event).await.0, 201, "{id}");
    }
    for field in ["meta", "priority", "time", "id", "type", "retries", "unknown"] {
        let event = format!(r#"{{"type":"x","{field}":{}}}"#, deep(60_000));
        assert_eq!(server.append(&event).await.0, 400, "{field}");
    }
    let confirm = server.request(Method::POST, "/v1/streams/run:1/events/a/confirm").body(deep(8_000));
    assert_refused(answer(confirm).await, 400, "invalid_request", &[]);

    let mut tab = Client::hello(&server.url, "tab", json!([{ "stream": "run:1", "from": "start" }])).await;
    tab.next("subscribed").await;
    let mut texts = tab.text().await;
    while !texts.contains(&objects(20_000)) {
        texts.push_str(&tab.text().await);
    }
    assert!(texts.contains(&deep(60_000)), "as it was given");
    let mut attacker = Client::hello(&server.url, "other", json!([])).await;
    let publish = format!(r#"{{"type":"publish","stream":"run:1","id":"c","event_type":"x","data":{}}}"#, deep(50_000));
    attacker.send_text(&publish).await;
    assert_eq!(attacker.next("published").await["seq"], 3);
    attacker.send_text(&format!(r#"{{"type":"unheard-of","x":{}}}"#, deep(100_000))).await;
    attacker.send(json!({ "type": "ping" })).await;
    attacker.next("pong").await;
    attacker.send_text(&format!(r#"{{"type":"subscribe","stream":{}}}"#, deep(100_000))).await;
    assert_eq!(attacker.closed().await.0, 4400);
}

/// Smuggling: a request whose length is said twice is refused, and what follows it is not a request.
#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: x\r\n",
        "Content-Length : 5\r\n",
    ] {
        let mut raw = Raw::connect(&server.url).await;
        let head = format!("POST /v1/streams/run:1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n");
        raw.send(format!("{head}0\r\n\r\n{smuggled}")).await;
        let said = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert!(said.starts_with("HTTP/1.1 400 ") && said.matches("HTTP/1.1 ").count() == 1, "{framing}: {said}");
    }
}

#[tokio::test]
async fn a_token_counts_in_its_header_only() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let good = token("ada", json!({ "read": ["*"], "write": ["*"], "operate": true }));
    for path in [format!("/v1/streams?token={good}"), format!("/v1/streams?access_token={good}")] {
        let (status, body) = server.get(&path).await;
        assert_eq!(status, 400, "{body}");
        assert!(!body.to_string().contains(&good), "{body}");
    }
    let cookie = server.request(Method::GET, "/v1/stats").header("cookie", format!("token={good}"));
    assert_refused(answer(cookie).await, 401, "unauthorized", &[]);
    let huge = server.request(Method::GET, "/v1/stats").bearer_auth(format!("{good}{}", "x".repeat(9_000)));
    assert_refused(answer(huge).await, 401, "unauthorized", &["8192"]);
    let huger = server.request(Method::GET, "/v1/stats").bearer_auth("x".repeat(20_000)).send().await.unwrap();
    assert_eq!(huger.status().as_u16(), 431);
    assert_eq!(header(&huger, "x-powered-by"), "");
    let good = server.request(Method::GET, "/v1/stats").bearer_auth(good);
    assert_eq!(answer(good).await.0, 200);
}
