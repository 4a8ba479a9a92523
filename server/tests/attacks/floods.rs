//! Frames and connections without end.

use ackwire::wire::SUBPROTOCOL;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{
    Server,
    client::Client,
    raw::{Raw, close_code, frame},
    token::{SECRET, token},
};

const HELLO: &str = r#"{"type":"hello","consumer":"tab","subscriptions":[]}"#;

/// The status and the Retry-After of a handshake, if it is refused.
async fn refused(server: &Server) -> Option<(u16, String)> {
    match Client::try_connect(&server.url, &[("sec-websocket-protocol", SUBPROTOCOL)]).await {
        Ok(_) => None,
        Err(Error::Http(response)) => {
            let again = response.headers()["retry-after"].to_str().unwrap().to_owned();
            Some((response.status().as_u16(), again))
        }
        Err(error) => panic!("{error}"),
    }
}

/// A reconnect storm meets a clear answer, at the cost of one request each.
#[tokio::test]
async fn a_storm_of_connections_is_told_to_come_later() {
    let full = Server::start(&["--dev", "--max-connections", "2"]).await;
    let one = Client::hello(&full.url, "a", json!([])).await;
    let _two = Client::hello(&full.url, "b", json!([])).await;
    assert_eq!(refused(&full).await, Some((503, "1".into())));
    one.close().await;
    // The place is free once the connection's task is over.
    while refused(&full).await.is_some() {}

    let rushed = Server::start(&["--dev", "--max-handshakes-per-second", "1", "--max-handshake-burst", "3"]).await;
    let mut met = None;
    for _ in 0..100 {
        met = met.or(refused(&rushed).await);
    }
    assert_eq!(met, Some((429, "1".into())));
    assert_eq!(rushed.get("/health").await.0, 200, "the rest of the server is not concerned");
}

/// A frame's head can announce more than there is memory.
#[tokio::test]
async fn announced_sizes_take_no_memory() {
    let server = Server::start(&["--dev"]).await;
    for announced in [u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 40] {
        let mut raw = Raw::upgraded(&server.url).await;
        raw.send([&[0x81, 0xff][..], &announced.to_be_bytes(), &[0; 4]].concat()).await;
        // Too large, or not even a length (its highest bit is 0).
        assert!(matches!(close_code(&raw.rest().await), Some(4413 | 1002) | None), "{announced}");
    }
    Client::hello(&server.url, "tab", json!([])).await.close().await;
}

/// Who is still sending when it is refused is told why all the same: a connection that is closed with something unread in
/// it is reset, and a reset may overtake the last words.
#[tokio::test]
async fn who_is_refused_while_sending_is_told_why() {
    let server = Server::start(&["--dev"]).await;
    let announced = [&[0x81, 0xff][..], &(1_u64 << 30).to_be_bytes(), &[0; 4]].concat();
    let mut frame_of_a_gigabyte = Raw::upgraded(&server.url).await;
    frame_of_a_gigabyte.send(announced).await.send([b' '; 100_000]).await;
    let said = frame_of_a_gigabyte.last_words().await.expect("no reset");
    assert_eq!(close_code(&said), Some(4413));
    for _ in 0..100 {
        assert!(frame_of_a_gigabyte.goes_on(&[b' '; 10_000]).await, "the rest is taken, and let go");
    }

    let mut body_of_a_gigabyte = Raw::connect(&server.url).await;
    let head =
        "POST /v1/streams/run:1/events/a/confirm HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n";
    body_of_a_gigabyte.send(head).await.send([b' '; 100_000]).await;
    let said = body_of_a_gigabyte.last_words().await.expect("no reset");
    assert!(said.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&said));
}

/// A message of endless fragments counts as one message, and a fragment as none: neither the size nor a deadline starts
/// anew with each.
#[tokio::test]
async fn a_message_that_never_ends_ends_the_connection() {
    let server = Server::start(&["--dev", "--hello-deadline", "300ms", "--heartbeat", "200ms"]).await;
    // Growing: beyond twice the limit it is not read on.
    let mut growing = Raw::upgraded(&server.url).await;
    growing.send(frame(0x01, b"{")).await;
    let piece = frame(0x00, &[b' '; 16 << 10]);
    growing.send(piece.repeat(64)).await;
    assert_eq!(close_code(&growing.rest().await), Some(4413));

    // Not growing, before and after `hello`: the deadlines go on.
    for (greeting, code) in [(None, 4408), (Some(HELLO), 1001)] {
        let mut endless = Raw::upgraded(&server.url).await;
        if let Some(greeting) = greeting {
            endless.send(frame(0x81, greeting.as_bytes())).await;
        }
        endless.send(frame(0x01, b"{")).await;
        let mut said = Vec::new();
        while !endless.is_closed(&mut said).await && close_code(&said) != Some(code) {
            endless.send(frame(0x00, b"")).await;
        }
        assert_eq!(close_code(&said), Some(code));
    }
}

/// Frames below the protocol cost as much as others.
#[tokio::test]
async fn a_flood_of_pings_is_a_flood() {
    let server = Server::start(&["--dev", "--max-messages-per-second", "1", "--max-message-burst", "10"]).await;
    let mut raw = Raw::upgraded(&server.url).await;
    raw.send(frame(0x81, HELLO.as_bytes())).await;
    raw.send(frame(0x89, b"flood").repeat(1_000)).await;
    let said = raw.rest().await;
    assert_eq!(close_code(&said), Some(4429));
}

/// A token longer than a frame may be is not read, and one that is shorter is refused for its length.
#[tokio::test]
async fn a_huge_token_is_refused_in_hello() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let good = token("ada", json!({}));
    for (bytes, code, said) in [(9_000, 4401, "8192"), (300_000, 4413, "262144")] {
        let mut client = Client::connect(&server.url).await;
        let huge = format!("{good}{}", "x".repeat(bytes));
        client.send(json!({ "type": "hello", "consumer": "tab", "subscriptions": [], "token": huge })).await;
        let (closed, reason) = client.closed().await;
        assert!(closed == code && reason.contains(said), "{closed} {reason}");
    }
}
