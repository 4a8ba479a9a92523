//! What producers and operators see over HTTP.

mod support;

use ackwire_server::{SERVICE, VERSION};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, answer, assert_refused, header};

const NDJSON: &str = "application/x-ndjson";
const NOTHING: &str = "nothing was appended";

#[tokio::test]
async fn a_producer_appends_one_event_or_many_and_reads_them() {
    let server = Server::start(&["--dev"]).await;
    let (status, first) = server.append(r#"{"id":"a","type":"agent_started","data":{"n":1}}"#).await;
    assert_eq!(status, 201);
    assert_eq!(first["events"], json!([{ "id": "a", "seq": 1, "duplicate": false }]));
    assert_eq!(first["stream"], "run:1");

    let (status, many) = server.append(r#"[{"id":"b","type":"x"},{"type":"y","priority":"critical"}]"#).await;
    assert_eq!((status.as_u16(), &many["epoch"]), (201, &first["epoch"]));
    assert_eq!(many["events"][1]["seq"], 3);
    assert_eq!(many["events"][1]["id"].as_str().unwrap().len(), 36, "an id is assigned where none is given");

    let (status, lines) =
        server.append_as(NDJSON, "{\"type\":\"z\",\"time\":5,\"meta\":{\"k\":\"v\"}}\r\n\n{\"type\":\"z\"}").await;
    assert_eq!((status.as_u16(), &lines["events"][1]["seq"]), (201, &json!(5)));

    let (_, stream) = server.get("/v1/streams/run:1").await;
    assert_eq!([&stream["oldest"], &stream["head"], &stream["events"]], [1, 5, 5]);
    assert_eq!((&stream["ended"], &stream["epoch"]), (&json!(false), &first["epoch"]));

    let (_, page) = server.get("/v1/streams/run:1/events?after=1&limit=3").await;
    assert_eq!([&page["after"], &page["upto"], &page["head"]], [1, 4, 5]);
    let seqs: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(seqs, [2, 3, 4]);
    assert_eq!(page["events"][0]["data"], Value::Null, "absent data is null");
    assert_eq!((&page["events"][2]["time"], &page["events"][2]["meta"]), (&json!(5), &json!({ "k": "v" })));
    assert_eq!(server.get("/v1/streams/run:1/events?after=9").await.1["upto"], 9);

    let (_, list) = server.get("/v1/streams").await;
    assert_eq!((&list["streams"][0]["stream"], &list["next"]), (&json!("run:1"), &Value::Null));
    server.stop().await;
}

/// [AW-PUB-1] for producers over HTTP.
#[tokio::test]
async fn repeating_an_event_changes_nothing() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"[{"id":"a","type":"x"},{"id":"b","type":"x"}]"#).await;
    let (status, again) = server.append(r#"{"id":"b","type":"other"}"#).await;
    assert_eq!((status.as_u16(), &again["events"][0]), (200, &json!({ "id": "b", "seq": 2, "duplicate": true })));
    let (status, mixed) = server.append(r#"[{"id":"c","type":"x"},{"id":"c","type":"x"},{"id":"a","type":"x"}]"#).await;
    let places: Vec<_> = mixed["events"].as_array().unwrap().iter().map(|event| &event["seq"]).collect();
    assert_eq!((status.as_u16(), places), (201, vec![&json!(3), &json!(3), &json!(1)]));
    server.stop().await;
}

#[tokio::test]
async fn an_ended_stream_takes_no_more() {
    let server = Server::start(&["--dev"]).await;
    server.append(r#"{"id":"a","type":"x"}"#).await;
    for _ in 0..2 {
        let (status, ended) = answer(server.request(Method::POST, "/v1/streams/run:1/end")).await;
        assert_eq!((status.as_u16(), &ended["ended"], &ended["head"]), (200, &json!(true), &json!(1)));
    }
    assert_refused(server.append(r#"{"type":"x"}"#).await, 409, "stream_ended", &["ended"]);
    assert_eq!(server.append(r#"{"id":"a","type":"x"}"#).await.0, 200, "what it has, it still answers");
    server.stop().await;
}

#[tokio::test]
async fn errors_name_the_field_its_bound_and_what_was_given() {
    let server = Server::start(&["--dev"]).await;
    let long_id = format!(r#"{{"type":"x","id":"{}"}}"#, "i".repeat(129));
    let wide_meta = format!(
        r#"{{"type":"x","meta":{}}}"#,
        json!((0..17).map(|n| (n.to_string(), "v")).collect::<std::collections::BTreeMap<_, _>>())
    );
    let cases: [(&str, &[&str]); 16] = [
        (r#"{"type":"a b"}"#, &["`type`", "1 to 100 bytes", "\"a b\""]),
        (r#"{"type":7}"#, &["`type`", "7"]),
        (r#"{}"#, &["`type` is missing"]),
        (&long_id, &["`id`", "128 bytes", "131 bytes"]),
        (r#"{"type":"x","id":"a\u0007"}"#, &["`id`", "control characters"]),
        (r#"{"type":"x","time":-1}"#, &["`time`", "from 0 to 9007199254740991", "-1"]),
        (r#"{"type":"x","time":9007199254740992}"#, &["`time`", "9007199254740992"]),
        (r#"{"type":"x","priority":"urgent"}"#, &["`priority`", "\"critical\"", "urgent"]),
        (r#"{"type":"x","meta":{"k":1}}"#, &["`meta`", "strings"]),
        (&wide_meta, &["`meta`", "at most 16"]),
        (r#"{"type":"x","prority":"high"}"#, &["unknown field `prority`"]),
        (r#"{"type":"x","seq":4}"#, &["unknown field `seq`"]),
        (r#""x""#, &["JSON object", "\"x\""]),
        (r#"[{"type":"x"},[1]]"#, &["event 2", "JSON object"]),
        ("[]", &["no event"]),
        ("{\"type\":\n\"x\",}", &["invalid JSON", "line 2 column 5"]),
    ];
    for (body, named) in cases {
        let refused = server.append(body).await;
        assert_refused(refused.clone(), 400, "invalid_request", named);
        assert_refused(refused, 400, "invalid_request", &[NOTHING]);
    }
    assert_refused(server.append_as("application/json", vec![b'"', 0xff]).await, 400, "invalid_request", &["UTF-8"]);
    assert_eq!(server.get("/v1/streams/run:1").await.0, 404, "{NOTHING}");
    server.stop().await;
}

#[tokio::test]
async fn a_bad_line_is_named_and_nothing_is_appended() {
    let server = Server::start(&["--dev"]).await;
    let good = r#"{"type":"x"}"#;
    let lines = async |third: &str| server.append_as(NDJSON, format!("{good}\n\n{third}\n{good}")).await;
    assert_refused(lines(r#"{"type":"x""#).await, 400, "invalid_request", &["line 3", "column 11", NOTHING]);
    assert_refused(lines(r#"{"type":""}"#).await, 400, "invalid_request", &["line 3", "`type`", NOTHING]);
    assert_refused(lines(&format!("{good}{good}")).await, 400, "invalid_request", &["line 3", "column 13", NOTHING]);
    assert_refused(server.append_as(NDJSON, "\n\n").await, 400, "invalid_request", &["no event"]);
    assert_eq!(server.get("/v1/streams/run:1").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn limits_are_named() {
    let flags = ["--dev", "--max-event-bytes", "1024", "--max-batch-events", "2", "--max-batch-bytes", "4096"];
    let server = Server::start(&flags).await;
    let event = |bytes| format!(r#"{{"type":"x","data":"{}"}}"#, "d".repeat(bytes));
    assert_eq!(server.append(&event(1022)).await.0, 201);
    let too_large = format!("[{},{}]", event(1), event(1023));
    let named = ["event 2", "1025 bytes", "1024", "--max-event-bytes", NOTHING];
    assert_refused(server.append(&too_large).await, 413, "too_large", &named);
    let too_many = format!("[{0},{0},{0}]", event(1));
    assert_refused(server.append(&too_many).await, 413, "too_large", &["3 events", "2", "--max-batch-events", NOTHING]);
    assert_refused(server.append(&event(5000)).await, 413, "too_large", &["4096", "--max-batch-bytes", NOTHING]);
    let in_pieces = reqwest::Body::wrap_stream(futures_util::stream::iter(
        event(5000).into_bytes().chunks(700).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    ));
    let refused = server.append_as("application/json", in_pieces).await;
    assert_refused(refused, 413, "too_large", &["--max-batch-bytes", NOTHING]);
    assert_eq!(server.get("/v1/streams/run:1").await.1["events"], 1);
    server.stop().await;
}

#[tokio::test]
async fn wrong_requests_are_answered_in_json() {
    let server = Server::start(&["--dev"]).await;
    let form = server.append_as("application/x-www-form-urlencoded", "{}").await;
    assert_refused(form, 415, "unsupported_media_type", &["application/json", "application/x-ndjson", "urlencoded"]);
    assert_refused(server.get("/v1/streams/run:1").await, 404, "unknown_stream", &["run:1"]);
    assert_refused(server.get("/v1/streams/a%20b").await, 400, "invalid_stream", &["`a b`", "1 to 200 bytes"]);
    assert_refused(server.get("/v1/streams/%ff").await, 400, "invalid_stream", &["UTF-8"]);
    assert_refused(server.get("/v1/nothing").await, 404, "not_found", &["/v1/nothing"]);
    let delete = answer(server.request(Method::DELETE, "/v1/streams/run:1/end")).await;
    assert_refused(delete, 405, "method_not_allowed", &["DELETE"]);
    server.append(r#"{"type":"x"}"#).await;
    let queries = [("after=-1", "`after`"), ("limit=0", "1 to 1000"), ("limit=1001", "1001"), ("aftr=1", "aftr")];
    for (query, named) in queries {
        let refused = server.get(&format!("/v1/streams/run:1/events?{query}")).await;
        assert_refused(refused, 400, "invalid_request", &[named]);
    }
    server.stop().await;
}

/// [AW-STREAM]: a name may have a slash, which a path has as %2F.
#[tokio::test]
async fn names_in_paths_are_percent_encoded() {
    let server = Server::start(&["--dev"]).await;
    let request = server.request(Method::POST, "/v1/streams/user%2F42%3Arun/events");
    let (_, appended) = answer(request.json(&json!({ "type": "x" }))).await;
    assert_eq!(appended["stream"], "user/42:run");
    assert_eq!(server.get("/v1/streams/user%2F42:run").await.1["head"], 1);
    server.stop().await;
}

#[tokio::test]
async fn other_pages_are_kept_out() {
    let server = Server::start(&["--dev", "--allow-origin", "https://app.example"]).await;
    let end =
        |origin: &'static str| answer(server.request(Method::POST, "/v1/streams/run:1/end").header("origin", origin));
    assert_refused(end("https://evil.example").await, 403, "forbidden", &["https://evil.example", "--allow-origin"]);
    assert_refused(end("null").await, 403, "forbidden", &[]);
    for origin in ["https://app.example", "http://localhost:5173"] {
        assert_eq!(end(origin).await.0, 200, "{origin}");
    }
    let rebound = server.request(Method::GET, "/v1/streams").header("host", "evil.example");
    assert_refused(answer(rebound).await, 403, "forbidden", &["loopback"]);
    server.stop().await;
}

#[tokio::test]
async fn health_is_told_to_everyone() {
    let server = Server::start(&["--dev"]).await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let (status, health) = answer(server.request(Method::GET, path).header("host", "10.1.2.3:8787")).await;
        assert_eq!((status.as_u16(), health), (200, json!({ "status": "ok", "service": SERVICE, "version": VERSION })));
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_have_names() {
    let server = Server::start(&["--dev"]).await;
    let named = async |id: &str| {
        let response = server.request(Method::GET, "/health").header("x-request-id", id).send().await.unwrap();
        header(&response, "x-request-id").to_owned()
    };
    assert_eq!(named("trace-1").await, "trace-1");
    assert_eq!(named("not a plain name").await.len(), 36);
    server.stop().await;
}

#[tokio::test]
async fn the_demo_page_is_served_in_development_only() {
    let www = tempfile::tempdir().unwrap();
    std::fs::write(www.path().join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(www.path().join("ackwire_bg.wasm"), "\0asm").unwrap();
    let folder = www.path().to_str().unwrap();
    let server = Server::start(&["--dev", "--www", folder, "--pkg", folder]).await;
    let page = server.request(Method::GET, "/").send().await.unwrap();
    assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, "text/html"));
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    for path in ["/demo/ackwire_bg.wasm", "/pkg/ackwire_bg.wasm"] {
        let wasm = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!((wasm.status().as_u16(), header(&wasm, "content-type")), (200, "application/wasm"));
    }
    server.stop().await;

    let server = Server::start(&["--jwt-secret", "0123456789abcdef0123456789abcdef", "--www", folder]).await;
    assert_refused(server.get("/").await, 404, "not_found", &[]);
    server.stop().await;
}

/// A fault of home-made trackers: ids made of the clock.
#[tokio::test]
async fn ids_that_collide_within_a_millisecond() {
    let server = Server::start(&["--dev"]).await;
    let (status, appended) = server.append(&json!(vec![json!({ "type": "x" }); 1000]).to_string()).await;
    assert_eq!(status, 201);
    let events = appended["events"].as_array().unwrap();
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), events.iter().filter(|event| event["duplicate"] == true).count()), (1000, 0));
    server.stop().await;
}
