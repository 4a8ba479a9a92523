//! Users among each other: nobody reads, confirms, fails or closes what is another's.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Server, answer, assert_refused,
    client::Client,
    token::{SECRET, token},
};

/// A server with a stream of two users, one of each alone, and streams whose names nearly are.
struct Town {
    server: Server,
    producer: String,
    ada: String,
    bob: String,
}

const STREAMS: [&str; 8] =
    ["user:1", "user:10", "user:1/../user:2", "user:2", "USER:1", "user:1:secret", "shared", "user"];

impl Town {
    async fn start() -> Self {
        let server = Server::start(&["--jwt-secret", SECRET]).await;
        let town = Self {
            server,
            producer: token("producer", json!({ "write": ["*"] })),
            ada: token("ada", json!({ "read": ["user:1", "shared"] })),
            bob: token("bob", json!({ "read": ["user:2", "shared"] })),
        };
        for stream in STREAMS {
            let event = json!({ "id": "e", "type": "x", "data": { "of": stream } });
            assert_eq!(town.post(&town.producer, stream, "events", event).await.0, StatusCode::CREATED);
        }
        town
    }

    async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        answer(self.server.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn post(&self, token: &str, stream: &str, what: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/v1/streams/{}/{what}", stream.replace('/', "%2F"));
        answer(self.server.request(Method::POST, &path).bearer_auth(token).json(&body)).await
    }

    /// Welcome as `tab`, and subscribed to the shared stream, whose event has come.
    async fn enter(&self, token: &str) -> (Client, Value) {
        let mut client = Client::connect(&self.server.url).await;
        let subscriptions = json!([{ "stream": "shared", "from": "start" }]);
        let hello = json!({ "type": "hello", "consumer": "tab", "token": token, "subscriptions": subscriptions });
        client.send(hello).await;
        client.next("welcome").await;
        let subscribed = client.next("subscribed").await;
        client.next("events").await;
        (client, subscribed["epoch"].clone())
    }

    /// What became of the shared event, for each subject.
    async fn states(&self) -> Vec<(String, String)> {
        let (_, seen) = self.get(&self.producer, "/v1/streams/shared/events/e").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let deliveries = seen["deliveries"].as_array().unwrap();
        let mut states: Vec<_> = deliveries.iter().map(|one| (text(&one["subject"]), text(&one["state"]))).collect();
        states.sort();
        states
    }
}

fn states(ada: &str, bob: &str) -> Vec<(String, String)> {
    vec![("ada".into(), ada.into()), ("bob".into(), bob.into())]
}

/// By every name that might be taken for one's own: over HTTP, as it is written there, and over the WebSocket.
#[tokio::test]
async fn nobody_reads_another_users_stream() {
    let town = Town::start().await;
    assert_eq!(town.get(&town.ada, "/v1/streams/user:1/events").await.1["events"][0]["data"]["of"], "user:1");
    let ways = [
        "user:2",
        "user:10",
        "user:1%2F..%2Fuser:2",
        "USER:1",
        "user:1:secret",
        "user",
        "user%3A2",
        "%75ser:2",
        "user:1%2F",
    ];
    for name in ways {
        for path in ["", "/events", "/events/e", "/consumers", "/pending", "/expired", "/dead-letters"] {
            let refused = town.get(&town.ada, &format!("/v1/streams/{name}{path}")).await;
            assert_refused(refused, 403, "forbidden", &["ackwire.read"]);
        }
    }
    // Names that are none: no character is dropped, folded or decoded twice on the way to another name.
    let no_names = [
        "user:1*",
        "*",
        "user%253A1",
        "user:1%00",
        "user:1%20",
        "%20user:1",
        "user:1%0a",
        "user%EF%BC%9A1",
        "us%C3%A9r:1",
        "user:1%E2%80%8B",
        "user:1%23",
        "user:1;x",
    ];
    for name in no_names {
        let (status, body) = town.get(&town.ada, &format!("/v1/streams/{name}/events")).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("invalid_stream")), "{name}");
    }
    let (_, list) = town.get(&town.ada, "/v1/streams").await;
    let listed: Vec<_> = list["streams"].as_array().unwrap().iter().map(|view| &view["stream"]).collect();
    assert_eq!(listed, ["shared", "user:1"]);
    let unknown = town.get(&town.ada, "/v1/streams/user:3").await;
    assert_refused(unknown, 403, "forbidden", &[]);

    let (mut tab, _) = town.enter(&town.ada).await;
    for stream in STREAMS.into_iter().filter(|stream| !["user:1", "shared"].contains(stream)) {
        tab.send(
            json!({ "type": "subscribe", "stream": stream, "from": "start", "window": { "events": 9, "bytes": 1024 } }),
        )
        .await;
        let error = tab.next("error").await;
        assert_eq!((&error["code"], &error["stream"]), (&json!("forbidden"), &json!(stream)));
        // Nor by a side door: what is not subscribed is neither sent again nor confirmed.
        tab.send(json!({ "type": "resend", "stream": stream, "epoch": "x", "ranges": [[0, 1]] })).await;
    }
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
}

/// A star counts at the end, once; a prefix is a prefix.
#[tokio::test]
async fn patterns_cover_what_they_say_and_nothing_else() {
    let town = Town::start().await;
    let readable = async |pattern: &str| {
        let token = token("eve", json!({ "read": [pattern] }));
        let (_, list) = town.get(&token, "/v1/streams").await;
        list["streams"].as_array().unwrap().iter().map(|view| view["stream"].as_str().unwrap().to_owned()).collect()
    };
    let cases: [(&str, &[&str]); 11] = [
        ("user:1", &["user:1"]),
        ("user:1:*", &["user:1:secret"]),
        ("user:1*", &["user:1", "user:1/../user:2", "user:10", "user:1:secret"]),
        ("user:*/../user:2", &[]),
        ("*:1", &[]),
        ("**", &[]),
        ("*user:1", &[]),
        ("user:?", &[]),
        ("user:[0-9]", &[]),
        (".*", &[]),
        ("", &[]),
    ];
    for (pattern, expected) in cases {
        let found: Vec<String> = readable(pattern).await;
        assert_eq!(found, expected, "{pattern}");
    }
}

/// The same consumer name under another subject is another consumer: by ack, by nack, by id, and over HTTP.
#[tokio::test]
async fn nobody_confirms_or_fails_another_consumers_event() {
    let town = Town::start().await;
    let (mut ada, epoch) = town.enter(&town.ada).await;
    let (mut bob, _) = town.enter(&town.bob).await;
    assert_eq!(town.states().await, states("sent", "sent"));

    bob.send(json!({ "type": "ack", "stream": "shared", "epoch": epoch, "upto": 1 })).await;
    bob.send(json!({ "type": "ping" })).await;
    bob.next("pong").await;
    assert_eq!(town.states().await, states("sent", "confirmed"));

    // By id: of a stream that one is not subscribed to, and of what was settled.
    town.post(&town.producer, "user:1", "events", json!({ "id": "private", "type": "x" })).await;
    for id in ["private", "none"] {
        bob.send(json!({ "type": "event_confirmation", "event_id": id, "status": "confirmed" })).await;
        assert_eq!(bob.next("error").await["code"], "unknown_event");
    }
    bob.send(json!({ "type": "ack", "stream": "user:1", "epoch": epoch, "upto": 1 })).await;
    bob.send(json!({ "type": "nack", "stream": "user:1", "epoch": epoch, "seq": 1, "attempt": 1, "error": "" })).await;

    for what in ["events/e/confirm", "events/e/fail"] {
        for subject in [json!("ada"), json!("ADA"), json!("")] {
            let refused = town.post(&town.bob, "shared", what, json!({ "consumer": "tab", "subject": subject })).await;
            assert_refused(refused, 403, "forbidden", &["own user"]);
        }
        let refused = town.post(&town.bob, "user:1", what, json!({ "consumer": "tab", "subject": "ada" })).await;
        assert_refused(refused, 403, "forbidden", &[]);
        // Who may write is not who has seen.
        let refused = town.post(&town.producer, "shared", what, json!({ "consumer": "tab", "subject": "ada" })).await;
        assert_refused(refused, 403, "forbidden", &["own user"]);
        let unknown = town.post(&town.bob, "shared", what, json!({ "consumer": "ada-tab" })).await;
        assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    }
    for what in ["dead-letters/e/requeue", "dead-letters/e/discard"] {
        let refused = town.post(&town.bob, "shared", what, json!({ "consumer": "tab", "subject": "ada" })).await;
        assert_refused(refused, 403, "forbidden", &["producers"]);
    }
    assert_eq!(town.states().await, states("sent", "confirmed"));

    ada.send(json!({ "type": "ack", "stream": "shared", "epoch": epoch, "upto": 1 })).await;
    ada.send(json!({ "type": "ping" })).await;
    ada.next("pong").await;
    assert_eq!(town.states().await, states("confirmed", "confirmed"));
}

/// Nor sees, nor waits for, what became of it.
#[tokio::test]
async fn users_see_their_own_deliveries_only() {
    let town = Town::start().await;
    let (_ada, _) = town.enter(&town.ada).await;
    let (_bob, _) = town.enter(&town.bob).await;
    let (_, seen) = town.get(&town.bob, "/v1/streams/shared/events/e").await;
    assert_eq!(seen["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(seen["deliveries"][0]["subject"], "bob");
    let (_, consumers) = town.get(&town.bob, "/v1/streams/shared/consumers").await;
    assert_eq!(consumers["consumers"].as_array().unwrap().len(), 1);
    let (_, pending) = town.get(&town.bob, "/v1/consumers/tab/pending").await;
    let events = pending["events"].as_array().unwrap();
    assert!(events.len() == 1 && !pending.to_string().contains("ada"), "{pending}");
    for path in ["/v1/stats", "/metrics", "/v1/operator/overview", "/v1/operator/streams"] {
        assert_refused(town.get(&town.bob, path).await, 403, "forbidden", &["ackwire.operate"]);
    }
}

/// [AW-CONN-5] is about one's own consumer: nobody pushes another user off by choosing the same name.
#[tokio::test]
async fn nobody_takes_another_users_seat_or_changes_user_on_the_way() {
    let town = Town::start().await;
    let (mut ada, _) = town.enter(&town.ada).await;
    let (mut bob, _) = town.enter(&town.bob).await;
    ada.send(json!({ "type": "ping" })).await;
    ada.next("pong").await;
    bob.send(json!({ "type": "auth", "token": town.ada })).await;
    let (code, reason) = bob.closed().await;
    assert!(code == 4401 && reason.contains("another user"), "{code} {reason}");
    // Nor by the name under which she numbers her connections.
    let session = json!({ "id": "tab", "connection": (1_u64 << 53) - 1 });
    Client::hello_with(&town.server.url, json!({ "consumer": "tab", "token": town.bob, "session": session })).await;
    let session = json!({ "id": "tab", "connection": 1 });
    let hello = json!({ "consumer": "tab", "token": town.ada, "session": session });
    let mut again = Client::hello_with(&town.server.url, hello).await;
    assert_eq!(ada.closed().await.0, 4409, "one's own older one, that is");
    again.send(json!({ "type": "ping" })).await;
    again.next("pong").await;
}

/// Writing is a right of its own, stream by stream.
#[tokio::test]
async fn nobody_writes_to_another_users_stream() {
    let town = Town::start().await;
    for (what, body) in [("events", json!({ "type": "x" })), ("end", json!({}))] {
        for stream in STREAMS {
            assert_refused(
                town.post(&town.ada, stream, what, body.clone()).await,
                403,
                "forbidden",
                &["ackwire.write"],
            );
        }
    }
    let (mut tab, _) = town.enter(&town.ada).await;
    for stream in STREAMS {
        tab.send(json!({ "type": "publish", "stream": stream, "id": "p", "event_type": "x", "data": 1 })).await;
        assert_eq!(tab.next("rejected").await["code"], "forbidden");
    }
}
