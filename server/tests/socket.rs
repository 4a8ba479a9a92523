//! The WebSocket, over real connections, with clients that do not have the SDK.

mod support;

use ackwire::wire::SUBPROTOCOL;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, client::Client};
use tokio_tungstenite::tungstenite::Error;

fn run_from(from: Value) -> Value {
    json!([{ "stream": "run:1", "from": from }])
}

/// Waits until the server says this about the event; the condition, not the time, ends it.
async fn until_state(server: &Server, id: &str, state: &str) -> Value {
    loop {
        let (_, json) = server.get(&format!("/v1/streams/run%3A1/events/{id}")).await;
        let delivery = json["deliveries"][0].clone();
        if delivery["state"] == state {
            return delivery;
        }
    }
}

#[tokio::test]
async fn a_posted_event_is_sent_and_confirmed_with_the_time_that_it_took() {
    let server = Server::start(&["--dev"]).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    let subscribed = tab.next("subscribed").await;
    assert_eq!((&subscribed["after"], &subscribed["head"], &subscribed["oldest"]), (&json!(0), &json!(0), &json!(1)));

    server.append(r#"{"id": "e1", "type": "tool_completed", "data": {"text": "größe"}}"#).await;
    let events = tab.next("events").await;
    assert_eq!((&events["after"], &events["upto"]), (&json!(0), &json!(1)));
    let event = &events["events"][0];
    assert_eq!((&event["id"], &event["seq"], &event["data"]["text"]), (&json!("e1"), &json!(1), &json!("größe")));
    assert_eq!(until_state(&server, "e1", "sent").await["confirmed_at"], Value::Null, "sent is not confirmed");

    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": subscribed["epoch"], "upto": 1 })).await;
    let delivery = until_state(&server, "e1", "confirmed").await;
    let (sent_at, confirmed_at) = (delivery["sent_at"].as_u64().unwrap(), delivery["confirmed_at"].as_u64().unwrap());
    assert_eq!(delivery["latency_ms"].as_u64(), Some(confirmed_at - sent_at));
    assert_eq!((&delivery["consumer"], &delivery["attempt"]), (&json!("tab"), &json!(1)));
}

#[tokio::test]
async fn a_backlog_travels_many_to_a_frame_and_a_window_bounds_it() {
    // [AW-SEND-3], [AW-SEND-5]
    let server = Server::start(&["--dev"]).await;
    let events: Vec<Value> = (1..=100).map(|n| json!({ "type": "t", "data": n })).collect();
    server.append(&json!(events).to_string()).await;
    let window = json!([{ "stream": "run:1", "from": "start", "window": { "events": 70, "bytes": 1048576 } }]);
    let mut tab = Client::hello(&server.url, "tab", window).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    let (first, second) = (tab.next("events").await, tab.next("events").await);
    assert_eq!((&first["after"], &first["upto"]), (&json!(0), &json!(64)));
    assert_eq!((&second["after"], &second["upto"]), (&json!(64), &json!(70)));
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 70 })).await;
    let third = tab.next("events").await;
    assert_eq!((&third["after"], &third["upto"]), (&json!(70), &json!(100)));
}

#[tokio::test]
async fn who_comes_back_resumes_after_what_it_confirmed() {
    // [AW-SUB-6], and it survives that nobody is connected.
    let server = Server::start(&["--dev"]).await;
    server.append(r#"[{"type": "t"}, {"type": "t"}, {"type": "t"}]"#).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    assert_eq!(tab.next("events").await["upto"], 3);
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 1, "also": [[2, 3]] })).await;
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
    drop(tab);

    let mut tab = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    let subscribed = tab.next("subscribed").await;
    assert_eq!((&subscribed["after"], subscribed.get("lost")), (&json!(1), None));
    let events = tab.next("events").await;
    assert_eq!((&events["after"], &events["upto"]), (&json!(1), &json!(3)));
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "3 was confirmed: covered, not sent");
    let (_, json) = server.get("/v1/streams/run%3A1/consumers").await;
    let consumer = &json["consumers"][0];
    assert_eq!(
        (&consumer["connected"], &consumer["confirmed"], &consumer["sent"]),
        (&json!(true), &json!(1), &json!(3))
    );
}

#[tokio::test]
async fn aw_conn_5_the_newest_connection_of_a_consumer_wins() {
    let server = Server::start(&["--dev"]).await;
    let mut older = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    let epoch = older.next("subscribed").await["epoch"].clone();
    server.append(r#"{"id": "e1", "type": "t"}"#).await;
    older.next("events").await;

    let mut newer = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    newer.next("subscribed").await;
    newer.next("events").await;
    assert_eq!(older.closed().await.0, 4409);
    newer.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 1 })).await;
    until_state(&server, "e1", "confirmed").await;

    // Another consumer is not concerned.
    let mut other = Client::hello(&server.url, "other", run_from(json!("resume"))).await;
    other.next("subscribed").await;
    newer.send(json!({ "type": "ping" })).await;
    newer.next("pong").await;
}

/// It was under way for long, and the page has connected anew meanwhile.
#[tokio::test]
async fn aw_conn_5_a_late_hello_of_an_older_connection_replaces_nobody() {
    let server = Server::start(&["--dev"]).await;
    let hello = |consumer: &str, session: &str, connection: u32| json!({ "consumer": consumer, "session": { "id": session, "connection": connection } });
    let mut newer = Client::hello_with(&server.url, hello("tab", "tab", 8)).await;
    let mut older = Client::hello_with(&server.url, hello("tab", "tab", 7)).await;
    assert_eq!(older.closed().await.0, 4409);
    newer.send(json!({ "type": "ping" })).await;
    newer.next("pong").await;

    // Of another session nobody knows which is newer: the last one that is heard.
    let mut another = Client::hello_with(&server.url, hello("tab", "another", 1)).await;
    assert_eq!(newer.closed().await.0, 4409);
    // The same numbers of another consumer say nothing.
    Client::hello_with(&server.url, hello("other", "another", 2)).await;
    another.send(json!({ "type": "ping" })).await;
    another.next("pong").await;
}

#[tokio::test]
async fn aw_conn_2_what_is_malformed_closes_with_4400_and_says_why() {
    let server = Server::start(&["--dev"]).await;
    for (frame, reason) in [
        ("{", "no frame"),
        (r#"["hello"]"#, "no frame"),
        (r#"{"type": "hello"}"#, "invalid `hello` frame: missing field `consumer`"),
        (r#"{"type": "ping"}"#, "before `hello`"),
        (r#"{"type": "hello", "consumer": "a b"}"#, "invalid `hello` frame: `consumer`: a consumer name has"),
        (
            r#"{"type": "hello", "consumer": "a", "subscriptions": [{"stream": 5}]}"#,
            "`subscriptions[0].stream`: invalid type",
        ),
    ] {
        let mut client = Client::connect(&server.url).await;
        client.send_text(frame).await;
        let (code, said) = client.closed().await;
        assert!(code == 4400 && said.contains(reason), "{frame}: {code} {said}");
    }
    let mut client = Client::connect(&server.url).await;
    client.send_binary(vec![1, 2, 3]).await;
    assert_eq!(client.closed().await, (4400, "a binary message".into()));

    let mut client = Client::hello(&server.url, "tab", json!([])).await;
    client.send(json!({ "type": "from_the_future", "x": 1 })).await;
    client.send(json!({ "type": "ping", "unknown_field": [1] })).await;
    client.next("pong").await;
}

#[tokio::test]
async fn aw_ack_4_an_ack_of_what_was_never_sent_closes_with_4400() {
    let server = Server::start(&["--dev"]).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 7 })).await;
    let (code, reason) = tab.closed().await;
    assert!(code == 4400 && reason.contains("7 was never sent"), "{code} {reason}");
}

#[tokio::test]
async fn frames_that_are_too_large_close_with_4413() {
    let server = Server::start(&["--dev", "--max-frame-bytes", "1024"]).await;
    for bytes in [1_100, 10_000, 1_000_000] {
        let mut client = Client::hello(&server.url, "tab", json!([])).await;
        client.send(json!({ "type": "x", "fill": "x".repeat(bytes) })).await;
        let (code, reason) = client.closed().await;
        assert!(code == 4413 && reason.contains("1024"), "{bytes}: {code} {reason}");
    }
}

#[tokio::test]
async fn too_many_messages_close_with_4429_and_too_many_subscriptions_are_refused() {
    let flags = ["--dev", "--max-messages-per-second", "1", "--max-message-burst", "3", "--max-subscriptions", "1"];
    let server = Server::start(&flags).await;
    let mut client = Client::hello(&server.url, "tab", json!([{ "stream": "a" }, { "stream": "b" }])).await;
    client.next("subscribed").await;
    let error = client.next("error").await;
    assert_eq!((&error["code"], &error["stream"]), (&json!("too_many_subscriptions"), &json!("b")));
    for _ in 0..6 {
        client.send(json!({ "type": "pong" })).await;
    }
    assert_eq!(client.closed().await.0, 4429);
}

#[tokio::test]
async fn who_does_not_say_hello_is_closed_with_4408_and_who_is_silent_is_pinged_and_closed() {
    // [AW-CONN-4], [AW-HEART-1], [AW-HEART-2]
    let server = Server::start(&["--dev", "--hello-deadline", "100ms", "--heartbeat", "100ms"]).await;
    let mut mute = Client::connect(&server.url).await;
    assert_eq!(mute.closed().await.0, 4408);
    let mut silent = Client::hello(&server.url, "tab", json!([])).await;
    silent.next("ping").await;
    silent.send(json!({ "type": "pong" })).await;
    silent.next("ping").await;
    assert_eq!(silent.closed().await.0, 1001);
}

#[tokio::test]
async fn aw_pub_1_publish_is_idempotent_and_keeps_its_order() {
    let server = Server::start(&["--dev"]).await;
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    for (id, data) in [("a", 1), ("b", 2), ("a", 1)] {
        let publish = json!({ "type": "publish", "stream": "run:1", "id": id, "event_type": "t", "data": data });
        tab.send(publish).await;
    }
    for (id, seq, duplicate) in [("a", 1, false), ("b", 2, false), ("a", 1, true)] {
        let published = tab.next("published").await;
        assert_eq!(published["id"], id);
        assert_eq!((&published["seq"], &published["duplicate"]), (&json!(seq), &json!(duplicate)));
    }
    server.request(Method::POST, "/v1/streams/run%3A1/end").send().await.unwrap();
    tab.send(json!({ "type": "publish", "stream": "run:1", "id": "c", "event_type": "t", "data": 3 })).await;
    assert_eq!(tab.next("rejected").await["code"], "stream_ended");
}

#[tokio::test]
async fn aw_ack_7_the_simple_form_confirms_by_id() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"{"id": "e1", "type": "t"}"#).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("start"))).await;
    tab.next("subscribed").await;
    tab.next("events").await;
    let mut stranger = Client::hello(&server.url, "stranger", json!([])).await;
    let confirmation = json!({ "type": "event_confirmation", "event_id": "e1", "status": "confirmed" });
    stranger.send(confirmation.clone()).await;
    assert_eq!(stranger.next("error").await["code"], "unknown_event");
    tab.send(confirmation).await;
    until_state(&server, "e1", "confirmed").await;
}

#[tokio::test]
async fn aw_ack_5_a_failed_handler_gets_the_event_again() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"{"id": "e1", "type": "t"}"#).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("start"))).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    tab.next("events").await;
    let nack = json!({
        "type": "nack", "stream": "run:1", "epoch": epoch, "seq": 1, "attempt": 1, "error": "no such element",
    });
    tab.send(nack).await;
    let again = loop {
        let frame = tab.next("events").await;
        // A mark may come before [AW-SEND-7].
        if frame["events"] != json!([]) {
            break frame;
        }
    };
    assert_eq!((&again["after"], &again["upto"], &again["events"][0]["attempt"]), (&json!(0), &json!(1), &json!(2)));
    assert_eq!(until_state(&server, "e1", "retrying").await["last_error"], "no such element");
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 1 })).await;
    assert_eq!(until_state(&server, "e1", "confirmed").await["attempt"], 2);
}

#[tokio::test]
async fn aw_drain_asks_clients_to_go_and_closes_those_who_stay() {
    let server = Server::start(&["--dev", "--drain", "200ms"]).await;
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(tab.next("drain").await["reconnect_in_ms"], 200);
    assert_eq!(tab.closed().await.0, 4503);
    drop(tab);
    stopping.await.unwrap();
}

#[tokio::test]
async fn aw_conn_1_the_subprotocol_is_needed_and_other_pages_are_refused() {
    let server = Server::start(&["--dev"]).await;
    let evil = [("sec-websocket-protocol", SUBPROTOCOL), ("origin", "https://evil.example")];
    for (headers, status) in [(&[][..], 400), (&evil[..], 403)] {
        match Client::try_connect(&server.url, headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("let in"),
        }
    }
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_stops_nothing() {
    let server = Server::start(&["--dev"]).await;
    let mut tab = Client::hello(&server.url, "tab", run_from(json!("resume"))).await;
    tab.next("subscribed").await;
    assert_eq!(tab.close().await, 1000);
    server.append(r#"{"id": "e1", "type": "t"}"#).await;
    until_state(&server, "e1", "pending").await;
    // Nobody is connected: the server stops at once, long before its 5 s for clients are over.
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_that_does_not_read_slows_nobody_else() {
    // [AW-SEND-3]
    let server = Server::start(&["--dev"]).await;
    let window = json!([{ "stream": "run:1", "from": "start", "window": { "events": 10000, "bytes": 67108864 } }]);
    let _slow = Client::hello(&server.url, "slow", window).await;
    let large = "x".repeat(100_000);
    let events: Vec<Value> = (0..70).map(|_| json!({ "type": "t", "data": large })).collect();
    for _ in 0..3 {
        assert_eq!(server.append(&json!(events).to_string()).await.0, 201);
    }
    let mut quick = Client::hello(&server.url, "quick", run_from(json!("now"))).await;
    quick.next("subscribed").await;
    server.append(r#"{"type": "t"}"#).await;
    assert_eq!(quick.next("events").await["events"][0]["seq"], 211);
    let (_, json) = server.get("/v1/streams/run%3A1/consumers").await;
    let slow = json["consumers"].as_array().unwrap().iter().find(|view| view["consumer"] == "slow").unwrap();
    assert!(slow["sent"].as_u64().unwrap() < 210, "what it does not read stays in the log: {slow}");
}

#[tokio::test]
async fn subscriptions_come_and_go_on_one_connection() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"[{"type": "t"}, {"type": "t"}]"#).await;
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    tab.send(json!({ "type": "subscribe", "stream": "run:1", "from": "start" })).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    tab.next("events").await;
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 1 })).await;
    tab.send(json!({ "type": "unsubscribe", "stream": "run:1" })).await;
    // A handler finishes late: no violation, and nothing that counts.
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 2 })).await;
    tab.send(json!({ "type": "ping" })).await;
    tab.next("pong").await;
    server.append(r#"{"type": "t"}"#).await;
    tab.send(json!({ "type": "subscribe", "stream": "run:1" })).await;
    assert_eq!(tab.next("subscribed").await["after"], 1);
    assert_eq!(tab.next("events").await["upto"], 3);
}
