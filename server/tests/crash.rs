//! What a producer was told survives the server's sudden end.

mod support;

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use support::program::{Running, program};
use tokio::sync::Notify;

const PRODUCERS: u64 = 4;

/// [AW-SEQ], [AW-EPOCH]: four producers append until the server is killed; after its restart each repeats the event
/// that was not answered, and goes on.
#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = BTreeMap::new();
    let mut epochs = Vec::new();
    for round in 0..3 {
        let server = Running::start(program(&["--dev", "--port", "0"], &folder));
        let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let first = answered.keys().filter(|(of, _)| *of == producer).count() as u64;
                tokio::spawn(produce(server.url.clone(), producer, first, count.clone(), enough.clone()))
            })
            .collect();
        enough.notified().await;
        server.signal("KILL");
        for producer in producers {
            answered.extend(producer.await.unwrap());
        }
        drop(server);

        let server = Running::start(program(&["--dev", "--port", "0"], &folder));
        let page: Value = reqwest::get(format!("{}/v1/streams/run:1/events?limit=1000", server.url))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let kept = page["events"].as_array().unwrap();
        let seqs: Vec<_> = kept.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "round {round}: in order, without a hole");
        let places: BTreeMap<_, _> = kept.iter().map(|event| (event["id"].as_str().unwrap(), &event["seq"])).collect();
        assert_eq!(places.len(), kept.len(), "round {round}: none twice");
        for ((producer, n), seq) in &answered {
            assert_eq!(places[&*format!("{producer}:{n}")], seq, "round {round}: where the producer was told");
        }
        assert!(kept.len() <= answered.len() + PRODUCERS as usize, "round {round}: nothing but what was sent");
        epochs.push(page["epoch"].clone());
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]));
}

/// Appends one event after the other until the server does not answer; which were answered, and with which seq.
async fn produce(
    url: String,
    producer: u64,
    first: u64,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Vec<((u64, u64), Value)> {
    let (client, mut answered) = (reqwest::Client::new(), Vec::new());
    for n in first.. {
        let event = json!({ "id": format!("{producer}:{n}"), "type": "x", "data": n });
        let Ok(answer) = client.post(format!("{url}/v1/streams/run:1/events")).json(&event).send().await else { break };
        let Ok(answer) = answer.json::<Value>().await else { break };
        answered.push(((producer, n), answer["events"][0]["seq"].clone()));
        if count.fetch_add(1, Ordering::Relaxed) == 50 {
            enough.notify_one();
        }
    }
    answered
}
