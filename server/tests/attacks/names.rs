//! Names with characters that do something: in terminals, in logs, in SQL, in paths.

use reqwest::Method;
use serde_json::json;

use crate::support::{Server, answer, client::Client};

/// Every control character there is, and a few that people would not want in a name.
fn controls() -> impl Iterator<Item = char> {
    ('\u{0}'..='\u{1f}').chain('\u{7f}'..='\u{9f}')
}

/// [AW-EVENT], [AW-STREAM], [AW-CONSUMER]: over HTTP and over the WebSocket alike.
#[tokio::test]
async fn no_name_holds_a_control_character() {
    let server = Server::start(&["--dev"]).await;
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    for control in controls() {
        for name in [format!("a{control}b"), format!("{control}"), format!("a{control}")] {
            let id = json!({ "id": name, "type": "x" });
            assert_eq!(server.append(&id.to_string()).await.0, 400, "id {name:?}");
            assert_eq!(server.append(&json!({ "type": name }).to_string()).await.0, 400, "type {name:?}");
        }
        let mut stream = String::new();
        control.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| stream.push_str(&format!("%{byte:02x}")));
        let (status, _) = server.get(&format!("/v1/streams/a{stream}b")).await;
        assert_eq!(status, 400, "stream {control:?}");
        let confirm = server.request(Method::POST, "/v1/streams/run:1/events/a/confirm");
        let (status, _) = answer(confirm.json(&json!({ "consumer": format!("a{control}") }))).await;
        assert_eq!(status, 400, "consumer {control:?}");
    }
    for (field, frame) in [
        ("id", json!({ "type": "publish", "stream": "s", "id": "a\u{1b}[31m", "event_type": "x", "data": 1 })),
        ("id", json!({ "type": "publish", "stream": "s", "id": "a\u{9b}31m", "event_type": "x", "data": 1 })),
        ("stream", json!({ "type": "publish", "stream": "s\r\n", "id": "a", "event_type": "x", "data": 1 })),
        ("event_type", json!({ "type": "publish", "stream": "s", "id": "a", "event_type": "x\0", "data": 1 })),
        ("stream", json!({ "type": "unsubscribe", "stream": "s\u{85}" })),
        ("consumer", json!({ "type": "hello", "consumer": "a\n", "subscriptions": [] })),
    ] {
        let mut client = Client::connect(&server.url).await;
        if frame["type"] != "hello" {
            client.send(json!({ "type": "hello", "consumer": "other", "subscriptions": [] })).await;
        }
        client.send(frame).await;
        let (code, reason) = client.closed().await;
        assert!(code == 4400 && reason.contains(&format!("`{field}`")), "{code} {reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
    assert_eq!(server.get("/v1/streams").await.1["streams"], json!([]), "nothing was appended");
}

/// What is allowed in an id goes in and comes out as it is: quotes, markup, SQL, paths, other scripts, long ones.
#[tokio::test]
async fn odd_ids_and_data_come_back_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let log = ackwire_server::log::SqliteLog::open(folder.path(), Default::default()).unwrap();
    let server = Server::with_log(&["--dev"], std::sync::Arc::new(log)).await;
    let ids = [
        "'; DROP TABLE events; --",
        "\" OR 1=1 --",
        "../../etc/passwd",
        "%2e%2e%2f",
        "%00",
        "<script>alert(1)</script>",
        "{{7*7}}${7*7}",
        "\u{202e}gnp.exe",
        "e\u{301}",
        "é",
        "__proto__",
        "constructor",
        "?a=b&c=d#e",
        "a/b/c",
        "  ",
        "𝕏",
        "ﷺ",
    ];
    for (index, id) in ids.iter().enumerate() {
        let event = json!({ "id": id, "type": "__proto__", "data": { *id: *id }, "meta": { *id: *id } });
        assert_eq!(server.append(&event.to_string()).await.0, 201, "{id}");
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, found) = server.get(&format!("/v1/streams/run:1/events/{path}")).await;
        assert_eq!(status, 200, "{id}");
        let event = &found["event"];
        assert_eq!((&event["id"], &event["seq"]), (&json!(id), &json!(index + 1)));
        assert_eq!((&event["data"][id], &event["meta"][id]), (&json!(id), &json!(id)));
    }
    server.stop().await;
}
