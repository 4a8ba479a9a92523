//! What back-end teams ask and do about deliveries: lists, dead letters, confirming over HTTP, waiting.

mod support;

use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, answer, assert_refused, client::Client};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Retries at once, so that what must come comes soon.
const QUICK: [&str; 5] = ["--dev", "--delivery-backoff", "1ms", "--delivery-backoff-max", "1ms"];

impl Server {
    async fn post(&self, path: &str, body: Value) -> (reqwest::StatusCode, Value) {
        answer(self.request(Method::POST, &format!("/v1/streams/run%3A1{path}")).json(&body)).await
    }

    async fn of_run(&self, path: &str) -> Value {
        let (status, json) = self.get(&format!("/v1/streams/run%3A1{path}")).await;
        assert_eq!(status, 200, "{json}");
        json
    }

    /// Waits until the event is in this state for its first consumer.
    async fn until(&self, id: &str, state: &str) -> Value {
        loop {
            let delivery = self.of_run(&format!("/events/{id}")).await["deliveries"][0].clone();
            if delivery["state"] == state {
                return delivery;
            }
        }
    }
}

/// A tab that has subscribed to `run:1`, and the stream's epoch.
async fn tab(server: &Server, name: &str) -> (Client, Value) {
    let mut tab = Client::hello(&server.url, name, json!([{ "stream": "run:1", "from": "start" }])).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    (tab, epoch)
}

fn ack(epoch: &Value, upto: u64) -> Value {
    json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": upto })
}

fn nack(epoch: &Value, seq: u64, attempt: u32, retry: bool) -> Value {
    json!({ "type": "nack", "stream": "run:1", "epoch": epoch, "seq": seq, "attempt": attempt, "error": "boom",
        "retry": retry })
}

fn ids(list: &Value) -> Vec<&str> {
    list["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_event_brings_its_own_deadline_and_retries() {
    let server = Server::start(&QUICK).await;
    let (mut tab, _) = tab(&server, "tab").await;
    server.append(r#"{"id":"e1","type":"t","deadline_ms":20,"retries":1,"meta":{"run_id":"9"}}"#).await;
    let event = tab.next("events").await["events"][0].clone();
    assert_eq!((&event["deadline_ms"], &event["retries"]), (&json!(20), &json!(1)));
    let dead = server.until("e1", "dead").await;
    assert_eq!((&dead["attempt"], &dead["last_error"]), (&json!(2), &json!("not confirmed within 20 ms")));
    let refused = server.append(r#"{"type":"t","deadline_ms":0}"#).await;
    assert_refused(refused, 400, "invalid_request", &["`deadline_ms`", "1 to 86400000"]);
    drop(tab);
    server.stop().await;
}

#[tokio::test]
async fn lists_tell_what_is_pending_expired_and_dead_by_consumer_and_run() {
    let server = Server::start(&["--dev", "--delivery-backoff", "1h", "--delivery-backoff-max", "1h"]).await;
    let (mut first, epoch) = tab(&server, "first").await;
    server
        .append(
            r#"[{"id":"a","type":"t","meta":{"run_id":"1"}},{"id":"b","type":"t","meta":{"run_id":"1"}},
                {"id":"c","type":"t","meta":{"run_id":"2"}},{"id":"d","type":"t","deadline_ms":10}]"#,
        )
        .await;
    first.next("events").await;
    first.send(ack(&epoch, 1)).await;
    first.send(nack(&epoch, 2, 1, false)).await;
    server.until("b", "dead").await;
    assert_eq!(server.until("d", "timeout").await["attempt"], 1);

    assert_eq!(ids(&server.of_run("/pending").await), ["c", "d"]);
    assert_eq!(ids(&server.of_run("/pending?run_id=2&consumer=first").await), ["c"]);
    assert_eq!(ids(&server.of_run("/pending?consumer=nobody").await), [""; 0]);
    assert_eq!(ids(&server.of_run("/pending?limit=1").await), ["c"]);
    assert_eq!(ids(&server.of_run("/expired").await), ["d"]);
    let letters = server.of_run("/dead-letters?run_id=1").await;
    let letter = &letters["events"][0];
    assert_eq!((&letter["id"], &letter["failures"][0]["message"]), (&json!("b"), &json!("boom")));
    assert_eq!(ids(&server.of_run("/dead-letters?thread_id=7").await), [""; 0]);
    let mut other = Client::hello(&server.url, "first", json!([{ "stream": "run:2" }, { "stream": "run:1" }])).await;
    other.next("subscribed").await;
    let event = json!({ "id": "e", "type": "t", "meta": { "run_id": "2" } });
    answer(server.request(Method::POST, "/v1/streams/run:2/events").json(&event)).await;
    let of_consumer = async |path: &str| server.get(&format!("/v1/consumers/first/{path}")).await.1;
    let pending = of_consumer("pending").await;
    assert_eq!(ids(&pending), ["c", "d", "e"]);
    assert_eq!(pending["events"][2]["stream"], "run:2");
    assert_eq!(ids(&of_consumer("pending?run_id=2&limit=1").await), ["c"]);
    assert_eq!(ids(&of_consumer("pending?stream=run:2").await), ["e"]);
    assert_eq!(ids(&of_consumer("expired").await), ["d"]);
    assert_eq!(ids(&of_consumer("dead-letters").await), ["b"]);
    let refused = server.get("/v1/consumers/first/pending?consumer=first").await;
    assert_refused(refused, 400, "invalid_request", &["`consumer`"]);
    drop(other);
    let refused = server.get("/v1/streams/run%3A1/pending?limit=0").await;
    assert_refused(refused, 400, "invalid_request", &["`limit`"]);
    drop(first);
    server.stop().await;
}

/// [AW-SEND-9]
#[tokio::test]
async fn dead_letters_are_requeued_and_discarded() {
    let server = Server::start(&QUICK).await;
    let (mut tab, epoch) = tab(&server, "tab").await;
    server.append(r#"[{"id":"a","type":"t"},{"id":"b","type":"t"}]"#).await;
    // The stream is complete: a requeue appends nothing.
    server.post("/end", json!({})).await;
    tab.next("events").await;
    for seq in [1, 2] {
        tab.send(nack(&epoch, seq, 1, false)).await;
    }
    server.until("b", "dead").await;
    let (status, _) = server.post("/dead-letters/a/requeue", json!({ "consumer": "tab" })).await;
    assert_eq!(status, 200);
    let again = loop {
        let frame = tab.any().await;
        if frame["requeued"] == true {
            break frame;
        }
    };
    assert_eq!((&again["events"][0]["id"], &again["events"][0]["attempt"]), (&json!("a"), &json!(2)));
    tab.send(ack(&epoch, 2)).await;
    tab.send(json!({ "type": "confirm", "stream": "run:1", "epoch": epoch, "seq": 1, "attempt": 2 })).await;
    server.until("a", "confirmed").await;

    assert_eq!(ids(&server.of_run("/dead-letters").await), ["b"]);
    assert_eq!(server.post("/dead-letters/b/discard", json!({ "consumer": "tab" })).await.0, 200);
    assert_eq!(ids(&server.of_run("/dead-letters").await), [""; 0]);
    let again = server.post("/dead-letters/b/discard", json!({ "consumer": "tab" })).await;
    assert_refused(again, 404, "no_dead_letter", &["dead letters"]);
    let nobody = server.post("/dead-letters/b/requeue", json!({ "consumer": "nobody" })).await;
    assert_refused(nobody, 404, "unknown_consumer", &[]);
    drop(tab);
    server.stop().await;
}

#[tokio::test]
async fn an_event_is_confirmed_and_failed_over_http() {
    let server = Server::start(&QUICK).await;
    let (mut tab, _) = tab(&server, "tab").await;
    server.append(r#"[{"id":"a","type":"t"},{"id":"b","type":"t"}]"#).await;
    tab.next("events").await;
    let who = json!({ "consumer": "tab" });
    assert_eq!(server.post("/events/a/confirm", who.clone()).await.1["changed"], true);
    assert_eq!(server.post("/events/a/confirm", who.clone()).await.1["changed"], false, "idempotent");
    let counters = server.of_run("/consumers").await["consumers"][0]["counters"].clone();
    assert_eq!((&counters["sent"], &counters["confirmed"]), (&json!(2), &json!(1)));

    let failed = json!({ "consumer": "tab", "error": "no room" });
    assert_eq!(server.post("/events/b/fail", failed).await.0, 200);
    let events = tab.next("events").await;
    assert_eq!((&events["events"][0]["id"], &events["events"][0]["attempt"]), (&json!("b"), &json!(2)));
    assert_eq!(server.until("b", "retrying").await["last_error"], "no room");

    assert_refused(server.post("/events/zzz/confirm", who.clone()).await, 404, "unknown_event", &[]);
    assert_refused(server.post("/events/a/fail", who).await, 409, "settled", &[]);
    assert_refused(server.post("/events/a/confirm", json!({})).await, 400, "invalid_request", &["consumer"]);
    drop(tab);
    server.stop().await;
}

#[tokio::test]
async fn a_producer_waits_for_the_confirmation() {
    let server = Server::start(&QUICK).await;
    let (mut tab, epoch) = tab(&server, "tab").await;
    let path = "/v1/streams/run%3A1/events?wait=confirmed&consumer=tab&timeout_ms=300000";
    let request =
        server.request(Method::POST, path).json(&json!([{ "id": "a", "type": "t" }, { "id": "b", "type": "t" }]));
    let producer = tokio::spawn(answer(request));
    tab.next("events").await;
    // The stream is not held up by whoever waits.
    server.append(r#"{"id":"c","type":"t"}"#).await;
    tab.next("events").await;
    tab.send(ack(&epoch, 1)).await;
    tab.send(nack(&epoch, 2, 1, false)).await;
    let (status, appended) = producer.await.unwrap();
    assert_eq!((status.as_u16(), &appended["events"][1]["seq"]), (201, &json!(2)));
    let [confirmed, failed] = [&appended["waited"][0], &appended["waited"][1]];
    assert_eq!((&confirmed["id"], &confirmed["outcome"]), (&json!("a"), &json!("confirmed")));
    assert_eq!(confirmed["by"][0]["consumer"], "tab");
    assert!(confirmed["by"][0]["latency_ms"].is_u64());
    assert_eq!((&failed["outcome"], &failed["by"][0]["last_error"]), (&json!("failed"), &json!("boom")));

    let waited = async |query: &str| server.of_run(&format!("/events/{query}")).await["waited"]["outcome"].clone();
    assert_eq!(waited("c?wait=confirmed&timeout_ms=1").await, "timeout");
    assert_eq!(waited("c?wait=confirmed&consumer=nobody&timeout_ms=1").await, "timeout");
    assert_eq!(waited("a?wait=confirmed").await, "confirmed", "later, too");
    assert_eq!(waited("b?wait=confirmed&consumer=all").await, "failed");
    let refused = server.get("/v1/streams/run%3A1/events/c?wait=seen").await;
    assert_refused(refused, 400, "invalid_request", &["`wait`", "seen"]);
    drop(tab);
    server.stop().await;
}

#[tokio::test]
async fn all_means_everyone_who_is_connected() {
    let server = Server::start(&QUICK).await;
    let (mut one, epoch) = tab(&server, "one").await;
    let (mut two, _) = tab(&server, "two").await;
    server.append(r#"{"id":"a","type":"t"}"#).await;
    one.next("events").await;
    two.next("events").await;
    one.send(ack(&epoch, 1)).await;
    server.of_run("/events/a?wait=confirmed&consumer=one").await;
    let wait = |consumer: &str, ms: u32| format!("/events/a?wait=confirmed&consumer={consumer}&timeout_ms={ms}");
    assert_eq!(server.of_run(&wait("any", 1)).await["waited"]["outcome"], "confirmed");
    assert_eq!(server.of_run(&wait("all", 1)).await["waited"]["outcome"], "timeout");
    two.send(ack(&epoch, 1)).await;
    let all = server.of_run(&wait("all", 300_000)).await["waited"].clone();
    assert_eq!((&all["outcome"], all["by"].as_array().unwrap().len()), (&json!("confirmed"), 2));
    drop((one, two));
    server.stop().await;
}

#[tokio::test]
async fn so_many_wait_and_no_more_and_a_draining_server_lets_them_go() {
    let server = Server::start(&["--dev", "--max-waiters", "1", "--drain", "0s"]).await;
    server.append(r#"{"id":"a","type":"t"}"#).await;
    let path = "/v1/streams/run%3A1/events/a?wait=confirmed&timeout_ms=300000";
    let waiting = tokio::spawn(answer(server.request(Method::GET, path)));
    let quick = "/v1/streams/run%3A1/events/a?wait=confirmed&timeout_ms=1";
    let refused = loop {
        let (status, json) = server.get(quick).await;
        if status != 200 {
            break (status, json);
        }
    };
    assert_refused(refused, 429, "too_many_requests", &["--max-waiters"]);
    let full = server.request(Method::POST, "/v1/streams/run%3A1/events?wait=confirmed").json(&json!({ "type": "t" }));
    let (status, appended) = answer(full).await;
    assert_eq!((status.as_u16(), &appended["waited"][0]["outcome"]), (201, &json!("not_waited")), "it is appended");
    server.stop().await;
    assert_eq!(waiting.await.unwrap().1["waited"]["outcome"], "timeout");
}

fn token(subject: &str, access: Value) -> String {
    let exp = ackwire_server::clock::unix_ms() / 1000 + 600;
    let claims = json!({ "sub": subject, "exp": exp, "ackwire": access });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A user's events are visible and confirmable by that user alone; producers and operators see them.
#[tokio::test]
async fn a_users_events_are_their_own() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let [ada, eve] = ["ada", "eve"].map(|name| token(name, json!({ "read": ["run:*"] })));
    let producer = token("agent", json!({ "write": ["run:*"] }));
    let operator = token("ops", json!({ "operate": true }));
    let ask = async |token: &str, method: Method, path: &str, body: Option<Value>| {
        let mut request = server.request(method, &format!("/v1/streams/run%3A1{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    };
    ask(&producer, Method::POST, "/events", Some(json!({ "id": "a", "type": "t" }))).await;
    let mut tab = Client::connect(&server.url).await;
    let subscriptions = json!([{ "stream": "run:1", "from": "start" }]);
    tab.send(json!({ "type": "hello", "consumer": "tab", "token": ada, "subscriptions": subscriptions })).await;
    for frame in ["welcome", "subscribed", "events"] {
        tab.next(frame).await;
    }
    for (token, sees) in [(&ada, 1), (&eve, 0), (&producer, 1), (&operator, 1)] {
        let (_, event) = ask(token, Method::GET, "/events/a", None).await;
        assert_eq!(event["deliveries"].as_array().unwrap().len(), sees);
        let (_, consumers) = ask(token, Method::GET, "/consumers", None).await;
        assert_eq!(consumers["consumers"].as_array().unwrap().len(), sees);
        assert_eq!(ids(&ask(token, Method::GET, "/pending", None).await.1).len(), sees);
    }
    let hers = json!({ "consumer": "tab", "subject": "ada" });
    for token in [&eve, &producer] {
        let refused = ask(token, Method::POST, "/events/a/confirm", Some(hers.clone())).await;
        assert_refused(refused, 403, "forbidden", &["own user"]);
    }
    let refused = ask(&eve, Method::POST, "/events/a/confirm", Some(json!({ "consumer": "tab" }))).await;
    assert_refused(refused, 404, "unknown_consumer", &[]);
    let refused = ask(&ada, Method::POST, "/dead-letters/a/requeue", Some(hers)).await;
    assert_refused(refused, 403, "forbidden", &["producers"]);
    let (status, _) = ask(&ada, Method::POST, "/events/a/confirm", Some(json!({ "consumer": "tab" }))).await;
    assert_eq!(status, 200);
    drop(tab);
    server.stop().await;
}

/// `data` is any JSON value as its producer wrote it, also what no number type or parser of the server's own could hold.
#[tokio::test]
async fn an_event_is_shown_whatever_its_data_is() {
    let server = Server::start(&["--dev"]).await;
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for (n, data) in ["1e999", r#""\ud800""#, &deep].into_iter().enumerate() {
        let (status, _) = server.append(&format!(r#"{{"id":"e{n}","type":"t","data":{data}}}"#)).await;
        assert_eq!(status, 201);
        let shown = server.request(Method::GET, &format!("/v1/streams/run%3A1/events/e{n}")).send().await.unwrap();
        let text = shown.text().await.unwrap();
        assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_that_no_text_can_name_is_refused_in_json() {
    let server = Server::start(&["--dev"]).await;
    assert_refused(server.get("/v1/consumers/%ff/pending").await, 400, "invalid_request", &["UTF-8"]);
    server.stop().await;
}
