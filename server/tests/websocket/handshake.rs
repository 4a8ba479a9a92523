//! The opening handshake, refused.

use super::support::{Server, raw::Raw};

const GOOD: [&str; 7] = [
    "GET /v1/socket HTTP/1.1",
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: ackwire.v1",
];

/// The answer's head to a handshake in which the line that begins so is this one.
async fn ask(server: &Server, line: &str, instead: &str) -> String {
    let lines: Vec<&str> = GOOD.iter().map(|good| if good.starts_with(line) { instead } else { good }).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let mut raw = Raw::connect(&server.url).await;
    raw.send(format!("{}\r\n\r\n", lines.join("\r\n"))).await;
    raw.head().await.to_ascii_lowercase()
}

#[tokio::test]
async fn a_handshake_that_lacks_something_is_refused() {
    let server = Server::start(&["--dev"]).await;
    for (line, instead, status) in [
        ("GET", GOOD[0], "101"),
        ("GET", "POST /v1/socket HTTP/1.1", "405"),
        ("GET", "GET /v1/socket HTTP/1.0", "426"),
        ("Host", "", "403"), // In development mode, who does not say whom they mean is foreign.
        ("Connection", "", "400"),
        ("Connection", "Connection: keep-alive", "400"),
        ("Connection", "Connection: keep-alive, Upgrade", "101"),
        ("Upgrade", "", "400"),
        ("Upgrade", "Upgrade: h2c", "400"),
        ("Upgrade", "Upgrade: WebSocket", "101"),
        ("Sec-WebSocket-Key", "", "400"),
        ("Sec-WebSocket-Version", "", "426"),
        ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", "426"),
        ("Sec-WebSocket-Protocol", "", "400"),
        ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: ackwire.v0", "400"),
        ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: graphql-ws, ackwire.v1", "101"),
    ] {
        let head = ask(&server, line, instead).await;
        assert_eq!(head.split(' ').nth(1), Some(status), "`{instead}` for {line}: {head}");
    }
}

/// RFC 6455, 4.2.2.
#[tokio::test]
async fn a_version_that_it_does_not_have_is_answered_with_the_one_that_it_has() {
    let server = Server::start(&["--dev"]).await;
    let head = ask(&server, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 99").await;
    assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
}

/// RFC 6455, 1.3: the accept of its own example, the protocol that was chosen, and no extension.
#[tokio::test]
async fn the_answer_is_what_the_standard_says() {
    let server = Server::start(&["--dev"]).await;
    let offer = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate";
    let head = ask(&server, "Sec-WebSocket-Version", offer).await;
    for line in ["sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=", "sec-websocket-protocol: ackwire.v1"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(!head.contains("extensions"), "{head}");
}
