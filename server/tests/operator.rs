//! Seen from outside: metrics, statistics, the operator's page.

mod support;

use jsonwebtoken::{EncodingKey, Header, encode};
use prometheus_parse::{Scrape, Value as Metric};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Server, answer, assert_refused, client::Client, header};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn scrape(server: &Server) -> Scrape {
    let answer = server.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(header(&answer, "content-type"), "text/plain; version=0.0.4");
    let text = answer.text().await.unwrap();
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

/// The value of a counter or a gauge, of the one series with this label.
#[track_caller]
fn value(scrape: &Scrape, name: &str, label: Option<(&str, &str)>) -> f64 {
    let matches = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && label.is_none_or(|(key, value)| sample.labels.get(key) == Some(value))
    };
    let found: Vec<_> = scrape.samples.iter().filter(matches).collect();
    assert_eq!(found.len(), 1, "{name} {label:?}");
    assert!(scrape.docs.contains_key(name), "{name} has a help text");
    match found[0].value {
        Metric::Counter(value) => {
            assert!(name.ends_with("_total"), "{name}");
            value
        }
        Metric::Gauge(value) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

/// A consumer that confirmed one critical event, asked for a range again, failed one for good, and has not settled one.
async fn busy() -> (Server, Client) {
    let server = Server::start(&["--dev"]).await;
    let first = r#"[{"id":"a","type":"t","priority":"critical"},{"id":"b","type":"t"},{"id":"c","type":"t"}]"#;
    let (_, appended) = server.append(first).await;
    server.append(r#"{"id":"a","type":"t"}"#).await;
    let epoch = &appended["epoch"];
    let mut tab = Client::hello(&server.url, "tab", json!([{ "stream": "run:1", "from": "start" }])).await;
    tab.next("subscribed").await;
    tab.next("events").await;
    tab.send(json!({ "type": "resend", "stream": "run:1", "epoch": epoch, "ranges": [[1, 2]] })).await;
    tab.next("events").await;
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": 1 })).await;
    let nack = json!({ "type": "nack", "stream": "run:1", "epoch": epoch, "seq": 2, "attempt": 1,
        "error": "no <b>room</b>", "retry": false });
    tab.send(nack).await;
    assert_eq!(tab.next("lost").await["reason"], "failed");
    (server, tab)
}

#[tokio::test]
async fn metrics_say_what_happened() {
    let (server, tab) = busy().await;
    let seen = scrape(&server).await;
    let plain = |name: &str| value(&seen, name, None);
    let of = |name: &str, priority| value(&seen, name, Some(("priority", priority)));
    assert_eq!(of("ackwire_events_tracked_total", "critical"), 1.0);
    assert_eq!(of("ackwire_events_tracked_total", "normal"), 2.0);
    assert_eq!(of("ackwire_events_tracked_total", "low"), 0.0, "a series that nothing has happened to is there");
    assert_eq!(plain("ackwire_events_duplicate_total"), 1.0);
    assert_eq!(plain("ackwire_deliveries_sent_total"), 3.0);
    assert_eq!(of("ackwire_deliveries_confirmed_total", "critical"), 1.0);
    assert_eq!(plain("ackwire_deliveries_failed_total"), 1.0);
    assert_eq!(of("ackwire_deliveries_dead_total", "normal"), 1.0);
    assert_eq!(plain("ackwire_resends_total"), 1.0);
    for name in ["timeout", "retries", "retries_succeeded", "late", "lost"] {
        assert_eq!(plain(&format!("ackwire_deliveries_{name}_total")), 0.0);
    }
    assert_eq!(plain("ackwire_connections"), 1.0);
    assert_eq!(plain("ackwire_feeds_attached"), 1.0);
    assert_eq!(plain("ackwire_deliveries_unsettled"), 1.0);
    assert_eq!(plain("ackwire_websocket_frames_waiting"), 0.0);
    assert!(plain("ackwire_websocket_sent_bytes_total") > 100.0);
    assert!(plain("ackwire_websocket_received_bytes_total") > 100.0);
    assert_eq!(value(&seen, "ackwire_alerts", Some(("condition", "run_silent"))), 0.0);

    let is_critical = |sample: &&prometheus_parse::Sample| {
        sample.metric == "ackwire_confirmation_latency_seconds" && sample.labels.get("priority") == Some("critical")
    };
    let Metric::Histogram(buckets) = &seen.samples.iter().find(is_critical).unwrap().value else {
        panic!("no histogram")
    };
    assert!(buckets.is_sorted_by(|a, b| a.less_than < b.less_than && a.count <= b.count), "{buckets:?}");
    assert_eq!(buckets.last().map(|last| (last.less_than, last.count)), Some((f64::INFINITY, 1.0)));
    tab.close().await;
}

#[tokio::test]
async fn stats_say_it_to_people() {
    let (server, tab) = busy().await;
    let (status, stats) = server.get("/v1/stats").await;
    assert_eq!(status, StatusCode::OK);
    let counts = ["tracked", "sent", "confirmed", "failed", "dead", "resends", "duplicates", "timeouts", "retries"];
    assert_eq!(counts.map(|name| stats[name].as_u64().unwrap()), [3, 3, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(stats["confirmation_rate"], 0.5, "one of the two that came to an end");
    assert_eq!(stats["critical_confirmation_rate"], 1.0);
    let latency = &stats["latency_ms"];
    assert_eq!(latency["count"], 1);
    for name in ["average", "min", "max", "p50", "p99"] {
        assert!(latency[name].is_number(), "{name}: {latency}");
    }
    tab.close().await;
}

/// A fault of home-made trackers: a second confirmation counts twice, and rates exceed 100 %.
#[tokio::test]
async fn confirming_twice_counts_once() {
    let server = Server::start(&["--dev"]).await;
    let (_, appended) = server.append(r#"{"id":"a","type":"t","priority":"critical"}"#).await;
    let mut tab = Client::hello(&server.url, "tab", json!([{ "stream": "run:1", "from": "start" }])).await;
    tab.next("subscribed").await;
    tab.next("events").await;
    for _ in 0..3 {
        tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": appended["epoch"], "upto": 1 })).await;
    }
    tab.send(json!({ "type": "event_confirmation", "event_id": "a", "status": "confirmed" })).await;
    // It is answered after everything before it was heard.
    tab.send(json!({ "type": "event_confirmation", "event_id": "never", "status": "confirmed" })).await;
    assert_eq!(tab.next("error").await["code"], "unknown_event");
    let (_, stats) = server.get("/v1/stats").await;
    assert_eq!((&stats["sent"], &stats["confirmed"]), (&json!(1), &json!(1)));
    assert_eq!(stats["confirmation_rate"], 1.0);
    tab.close().await;
}

#[tokio::test]
async fn before_anything_happened_there_are_no_rates() {
    let server = Server::start(&["--dev"]).await;
    let (_, stats) = server.get("/v1/stats").await;
    assert_eq!(stats["sent"], 0);
    for name in ["confirmation_rate", "critical_confirmation_rate", "latency_ms"] {
        assert_eq!(stats[name], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn operators_see_streams_with_consumers_and_troubles() {
    let (server, tab) = busy().await;
    server.request(Method::POST, "/v1/streams/run:2/end").send().await.unwrap();
    let (_, page) = server.get("/v1/operator/streams").await;
    let stream = &page["streams"][0];
    assert_eq!((&stream["stream"], &stream["head"]), (&json!("run:1"), &json!(3)));
    let consumer = &stream["consumers"][0];
    assert_eq!((&consumer["consumer"], &consumer["connected"]), (&json!("tab"), &json!(true)));
    assert_eq!((&consumer["sent"], &consumer["confirmed"], &consumer["unsettled"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(consumer["troubled"], 1);
    let trouble = &consumer["troubles"][0];
    assert_eq!((&trouble["id"], &trouble["state"], &trouble["attempt"]), (&json!("b"), &json!("dead"), &json!(1)));
    assert_eq!(trouble["last_error"], "no <b>room</b>", "as it was told; the page shows it as text");
    assert_eq!(page["next"], Value::Null);

    let (_, first) = server.get("/v1/operator/streams?limit=1").await;
    assert_eq!(first["next"], "run:1");
    let (_, second) = server.get("/v1/operator/streams?limit=1&after=run:1").await;
    assert_eq!((&second["streams"][0]["stream"], &second["streams"][0]["consumers"]), (&json!("run:2"), &json!([])));
    assert_refused(server.get("/v1/operator/streams?limit=101").await, 400, "invalid_request", &["limit", "100"]);

    let (_, overview) = server.get("/v1/operator/overview").await;
    assert_eq!((&overview["depths"]["connections"], &overview["stats"]["sent"]), (&json!(1), &json!(3)));
    assert_eq!(overview["alerts"], json!([]));
    tab.close().await;
}

#[tokio::test]
async fn a_run_that_completes_unstarted_is_an_alert_unless_the_log_knows_better() {
    let server = Server::start(&["--dev"]).await;
    let event =
        |id: &str, kind: &str, run: &str| json!({ "id": id, "type": kind, "meta": { "run_id": run } }).to_string();
    server.append(&event("1", "agent_started", "good")).await;
    server.append(&event("2", "agent_completed", "good")).await;
    server.append(&event("3", "agent_completed", "bad")).await;
    server.append(&event("3", "agent_completed", "bad")).await;
    let (_, overview) = server.get("/v1/operator/overview").await;
    let alerts = overview["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((&alerts[0]["condition"], &alerts[0]["run"]), (&json!("run_unstarted"), &json!("bad")));
    assert_eq!(alerts[0]["event"], "3");
}

#[tokio::test]
async fn a_beginning_is_looked_for_so_far_back_and_no_further() {
    for (others, alerts) in [(9_000, 1), (11_000, 0)] {
        let server = Server::start(&["--dev"]).await;
        let batch = json!(vec![json!({ "type": "t" }); 1_000]).to_string();
        for _ in 0..others / 1_000 {
            server.append(&batch).await;
        }
        server.append(r#"{"type":"agent_completed","meta":{"run_id":"a"}}"#).await;
        let (_, overview) = server.get("/v1/operator/overview").await;
        assert_eq!(overview["alerts"].as_array().unwrap().len(), alerts, "after {others} others");
    }
}

/// The detector's timer rings by itself.
#[tokio::test]
async fn a_silent_run_is_an_alert_until_its_next_event() {
    let server = Server::start(&["--dev", "--alert-silence", "1s"]).await;
    server.append(r#"{"type":"agent_started","meta":{"run_id":"a"}}"#).await;
    let alert = loop {
        let (_, overview) = server.get("/v1/operator/overview").await;
        if let Some(alert) = overview["alerts"].get(0) {
            break alert.clone();
        }
    };
    assert_eq!((&alert["condition"], &alert["over"]), (&json!("run_silent"), &Value::Null));
    assert_eq!(value(&scrape(&server).await, "ackwire_alerts", Some(("condition", "run_silent"))), 1.0);
    server.append(r#"{"type":"agent_completed","meta":{"run_id":"a"}}"#).await;
    let (_, overview) = server.get("/v1/operator/overview").await;
    assert!(overview["alerts"][0]["over"].is_u64());
}

/// A run that began in an earlier life of the server.
#[tokio::test]
async fn a_restart_makes_no_alert() {
    let log = std::sync::Arc::new(ackwire_server::log::MemoryLog::new(Default::default()));
    let event = |kind: &str| json!({ "type": kind, "meta": { "run_id": "a" } }).to_string();
    let server = Server::with_log(&["--dev"], log.clone()).await;
    server.append(&event("agent_started")).await;
    server.stop().await;
    let server = Server::with_log(&["--dev"], log).await;
    server.append(&event("agent_completed")).await;
    let (_, overview) = server.get("/v1/operator/overview").await;
    assert_eq!(overview["alerts"], json!([]));
}

#[tokio::test]
async fn only_operators_see_any_of_it() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let expires = ackwire_server::clock::unix_ms() / 1000 + 60;
    let token = |access: Value| {
        let claims = json!({ "sub": "ada", "exp": expires, "ackwire": access });
        encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    let (user, operator) = (token(json!({ "read": ["*"], "write": ["*"] })), token(json!({ "operate": true })));
    for path in ["/metrics", "/v1/stats", "/v1/operator/overview", "/v1/operator/streams"] {
        let ask = |token: &str| server.request(Method::GET, path).bearer_auth(token);
        assert_refused(server.get(path).await, 401, "unauthorized", &["token"]);
        assert_refused(answer(ask(&user)).await, 403, "forbidden", &["ackwire.operate"]);
        assert_eq!(ask(&operator).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    let open = Server::start(&["--jwt-secret", SECRET, "--metrics-open"]).await;
    assert!(!scrape(&open).await.samples.is_empty());
    assert_refused(open.get("/v1/stats").await, 401, "unauthorized", &[]);
}

/// The page says nothing by itself: whoever opens it is asked for a token.
#[tokio::test]
async fn the_page_comes_with_the_program_and_runs_nothing_of_others() {
    let server = Server::start(&["--jwt-secret", SECRET]).await;
    let files = [("", "text/html"), ("/main.js", "text/javascript"), ("/views.js", "text/javascript")];
    for (file, kind) in files.into_iter().chain([("/dom.js", "text/javascript"), ("/style.css", "text/css")]) {
        let answer = server.request(Method::GET, &format!("/operator{file}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        assert!(header(&answer, "content-type").starts_with(kind), "{file}");
        let policy = header(&answer, "content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        let text = answer.text().await.unwrap();
        for way_in in ["<style", "style=", "onclick", "javascript:", "innerHTML", "http://", "https://"] {
            assert!(!text.contains(way_in), "{file}: {way_in}");
        }
        assert!(!text.replace("<script type=\"module\" src=\"operator/main.js\">", "").contains("<script"), "{file}");
    }
}
