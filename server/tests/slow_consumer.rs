//! A consumer that does not read holds up nobody but itself.

mod support;

use serde_json::{Value, json};
use support::{Server, answer, client::Client, until_metric};

/// Frames that wait for slow sockets.
const WAITING: &str = "ackwire_websocket_frames_waiting";
/// Events of the ballast and bytes of each: more than two sockets' buffers hold.
const BALLAST: (usize, usize) = (400, 64 << 10);
const OTHERS: usize = 20;
const EVENTS: usize = 200;

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
    let server = Server::start(&["--dev"]).await;
    let (events, bytes) = BALLAST;
    let ballast = json!({ "type": "ballast", "data": "x".repeat(bytes) });
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
            let events = (0..10).map(|number| json!({ "type": "t", "data": 10 * part + number }));
            append(&server, "shared", events.collect()).await;
        }
    };
    tokio::join!(futures_util::future::join_all(readers), producer);
    until_metric(&server, WAITING, |frames| frames > 0).await;

    // Now it reads, and finds everything.
    let mut counts = [("shared", 0), ("ballast", 0)];
    while counts != [("shared", EVENTS), ("ballast", events)] {
        let frame = slow.any().await;
        for (stream, count) in counts.iter_mut().filter(|(stream, _)| frame["stream"] == *stream) {
            for event in frame["events"].as_array().into_iter().flatten() {
                *count += 1;
                assert_eq!(event["seq"], *count, "{stream}: in order, none missing, none twice");
            }
        }
    }
}
