//! Pages of others: cross-site WebSockets, cross-site requests, DNS rebinding.

use ackwire::wire::SUBPROTOCOL;
use reqwest::Method;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Server, answer, assert_refused, client::Client, token::SECRET};

/// Pages of other places, however near they look.
const FOREIGN: [&str; 16] = [
    "null",
    "",
    "https://evil.example",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "https://sub.app.example",
    "https://app.example:444",
    "http://app.example",
    "https://app.example@evil.example",
    "https://app.example/",
    "https://app.example, https://evil.example",
    "wss://app.example",
    "app.example",
    "file://",
    "chrome-extension://app.example",
    "https://app.examp1e",
];

/// The status with which the handshake was refused; `None` if it was not.
async fn refused(server: &Server, headers: &[(&'static str, &str)]) -> Option<u16> {
    let headers = [&[("sec-websocket-protocol", SUBPROTOCOL)], headers].concat();
    match Client::try_connect(&server.url, &headers).await {
        Ok(_) => None,
        Err(Error::Http(response)) => Some(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_websocket_is_opened_for_the_own_page_and_allowed_ones_only() {
    let server = Server::start(&["--jwt-secret", SECRET, "--allow-origin", "https://app.example"]).await;
    let host = ("host", "ack.example:8787");
    for origin in FOREIGN {
        assert_eq!(refused(&server, &[host, ("origin", origin)]).await, Some(403), "{origin:?}");
        // The same name elsewhere is not the own page: port and host both count.
        let request = server.request(Method::POST, "/v1/streams/run:1/end").header("origin", origin);
        assert_refused(answer(request).await, 403, "forbidden", &[]);
    }
    for origin in
        ["https://ack.example", "https://ack.example:8788", "https://ack.example.:8787", "http://localhost:8787"]
    {
        assert_eq!(refused(&server, &[host, ("origin", origin)]).await, Some(403), "{origin}");
    }
    for origin in ["https://app.example", "HTTPS://APP.EXAMPLE", "https://ack.example:8787", "https://ACK.example:8787"]
    {
        assert_eq!(refused(&server, &[host, ("origin", origin)]).await, None, "{origin}");
    }
    assert_eq!(
        refused(&server, &[host]).await,
        None,
        "what sends no Origin is no page, and needs a token all the same"
    );
}

/// Development mode has no tokens: that only this machine's pages and names count is all that it has.
#[tokio::test]
async fn in_development_other_sites_and_rebound_names_get_nothing() {
    let server = Server::start(&["--dev"]).await;
    let own = server.url.strip_prefix("http://").unwrap().to_owned();
    let foreign = ["https://localhost.evil.example", "http://127.0.0.1.evil.example", "http://localhost@evil.example"];
    for origin in FOREIGN.into_iter().chain(foreign) {
        assert_eq!(refused(&server, &[("origin", origin)]).await, Some(403), "{origin:?}");
    }
    // DNS rebinding: the page's own name points here. 0.0.0.0 is this machine, too, for some systems.
    for host in [
        "evil.example",
        "evil.example:8787",
        "localhost.evil.example",
        "0.0.0.0:8787",
        "127.0.0.1.evil.example",
        "2130706433",
    ] {
        let origin = format!("http://{host}");
        assert_eq!(refused(&server, &[("host", host), ("origin", &origin)]).await, Some(403), "{host}");
        assert_eq!(refused(&server, &[("host", host)]).await, Some(403), "{host}, as a page's GET says no Origin");
        for path in ["/", "/v1/streams", "/operator", "/metrics", "/demo/main.js"] {
            let request = server.request(Method::GET, path).header("host", host);
            assert_refused(answer(request).await, 403, "forbidden", &["loopback"]);
        }
    }
    for origin in ["http://localhost:5173", "http://127.0.0.1:1", "http://[::1]:3000"] {
        assert_eq!(refused(&server, &[("origin", origin)]).await, None, "{origin}");
    }
    // What a browser sends for a form, or a fetch without CORS, of another site: no preflight asks before these.
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let post = server.request(Method::POST, "/v1/streams/run:1/events").header("content-type", content_type);
        let post = post.header("origin", "https://evil.example").header("host", &own).body(r#"{"type":"x"}"#);
        assert_refused(answer(post).await, 403, "forbidden", &["https://evil.example"]);
    }
    for path in ["/v1/streams/run:1/end", "/v1/dev/runs", "/v1/dev/cut"] {
        let post = server.request(Method::POST, path).header("origin", "https://evil.example");
        assert_refused(answer(post).await, 403, "forbidden", &[]);
    }
    assert_eq!(server.get("/v1/streams").await.1["streams"], serde_json::json!([]), "nothing has happened");
}

/// There is no CORS at all: a page elsewhere, allowed to connect or not, reads no answer of the HTTP API.
#[tokio::test]
async fn no_answer_allows_other_pages_to_read_it() {
    let server = Server::start(&["--dev", "--allow-origin", "https://app.example"]).await;
    server.append(r#"{"type":"x"}"#).await;
    for origin in ["https://app.example", "http://localhost:5173", "https://evil.example", "null"] {
        for (method, path) in [
            (Method::OPTIONS, "/v1/streams/run:1/events"),
            (Method::GET, "/v1/streams"),
            (Method::GET, "/health"),
            (Method::GET, "/nothing"),
        ] {
            let request = server.request(method.clone(), path).header("origin", origin);
            let request = request.header("access-control-request-method", "POST");
            let answer = request.header("access-control-request-headers", "content-type").send().await.unwrap();
            let said = answer.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(said, None, "{method} {path} for {origin}");
            assert!(method != Method::OPTIONS || !answer.status().is_success(), "a preflight is never granted");
        }
    }
}
