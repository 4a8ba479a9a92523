//! A consumer that does not read holds up nobody but itself.

mod support;

use serde_json::{Value, json};
use std::collections::HashMap;
use support::{Server, answer, client::Client, until_metric};

/// Frames that wait for slow sockets.
const WAITING: &str = "ackwire_websocket_frames_waiting";
/// Events of the ballast and bytes of each: more than two sockets' buffers hold.
const BALLAST: (usize, usize) = (400, 64 << 10);
const OTHERS: usize = 20;
const EVENTS: usize = 200;
/// Longer than a busy machine takes for all of it: nothing is to be sent again here, and nobody taken for dead.
const PATIENCE_MS: u32 = 600_000;

fn subscription(stream: &str) -> Value {
    json!({ "stream": stream, "from": "start", "window": { "events": 10_000, "bytes": 64 << 20 } })
}

async fn append(server: &Server, stream: &str, events: Vec<Value>) {
    let request = server.request(reqwest::Method::POST, &format!("/v1/streams/{stream}/events"));
    let (status, json) =
        answer(request.header("content-type", "application/json").body(json!(events).to_string())).await;
    assert!(status.is_success(), "{json}");
}

/// Reads `count` events of a stream, in order, and confirms them.
async fn read(client: &mut Client, stream: &str, epoch: &Value, count: usize) {
    let mut last = 0;
    while last < count as u64 {
        let frame = client.any().await;
        if frame["type"] != "events" || frame["stream"] != stream {
            continue;
        }
        for event in frame["events"].as_array().unwrap() {
            last += 1;
            assert_eq!(event["seq"], last, "in order, none missing, none twice");
        }
        client.send(json!({ "type": "ack", "stream": stream, "epoch": epoch, "upto": last })).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_get_everything_while_one_socket_is_full_and_so_does_that_one_later() {
    let server = Server::start(&["--dev", "--heartbeat", &format!("{PATIENCE_MS}ms")]).await;
    let (events, bytes) = BALLAST;
    let ballast = json!({ "type": "ballast", "data": "x".repeat(bytes), "deadline_ms": PATIENCE_MS });
    for _ in 0..events / 100 {
        append(&server, "ballast", vec![ballast.clone(); 100]).await;
    }
    let mut slow = Client::hello(&server.url, "slow", json!([subscription("shared"), subscription("ballast")])).await;
    // Its socket takes nothing more.
    until_metric(&server, WAITING, |frames| frames > 0).await;

    let readers = (0..OTHERS).map(async |index| {
        let mut reader = Client::hello(&server.url, &format!("reader-{index}"), json!([subscription("shared")])).await;
        let epoch = reader.next("subscribed").await["epoch"].clone();
        read(&mut reader, "shared", &epoch, EVENTS).await;
    });
    let producer = async {
        for part in 0..EVENTS / 10 {
            let event = |number| json!({ "type": "t", "data": 10 * part + number, "deadline_ms": PATIENCE_MS });
            append(&server, "shared", (0..10).map(event).collect()).await;
        }
    };
    tokio::join!(futures_util::future::join_all(readers), producer);
    until_metric(&server, WAITING, |frames| frames > 0).await;

    // Now it reads and confirms, and finds everything.
    let mut epochs = HashMap::new();
    let mut counts = [("shared", 0), ("ballast", 0)];
    while counts != [("shared", EVENTS), ("ballast", events)] {
        let frame = slow.any().await;
        let Some((stream, count)) = counts.iter_mut().find(|(stream, _)| frame["stream"] == *stream) else { continue };
        if frame["type"] == "subscribed" {
            epochs.insert(*stream, frame["epoch"].clone());
        }
        let listed = frame["events"].as_array().into_iter().flatten();
        for event in listed {
            *count += 1;
            assert_eq!(event["seq"], *count, "{stream}: in order, none missing, none twice");
        }
        if frame["type"] == "events" {
            slow.send(json!({ "type": "ack", "stream": stream, "epoch": epochs[stream], "upto": *count })).await;
        }
    }
}
