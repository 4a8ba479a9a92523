//! An application that sends events again itself.

mod support;

use ackwire_server::{
    App,
    config::Config,
    limits::MAX_ASKED_RETRIES,
    log::{MemoryLog, Retention},
};
use clap::Parser;
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use support::{answer, client::Client, until};
use tokio::{net::TcpListener, sync::Semaphore};

const STREAM: &str = "/v1/streams/run%3A1";

/// What is answered when asked for the n-th time: yes, no, an error, a panic.
fn respond(asked: usize) -> Result<bool, String> {
    match asked {
        1 => Ok(false),
        2 => Err("the model is gone".into()),
        3 => panic!("the template is broken"),
        _ => Ok(true),
    }
}

#[tokio::test]
async fn the_application_is_asked_to_send_again_and_what_goes_wrong_is_remembered() {
    let flags =
        ["server", "--dev", "--delivery-retries", "4", "--delivery-backoff", "1ms", "--delivery-backoff-max", "1ms"];
    let config = Config::try_parse_from(flags).unwrap();
    let app = App::new(config, Arc::new(MemoryLog::new(Retention::default()))).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let is_first = app.hub.on_retry(move |id, event_type, data, attempt| {
        let mut seen = seen.lock().unwrap();
        seen.push((id.to_string(), event_type.to_string(), data.get().to_owned(), attempt));
        let count = seen.len();
        drop(seen);
        async move { respond(count) }
    });
    assert!(is_first && !app.hub.on_retry(async |_, _, _, _| Ok::<_, String>(true)), "one callback");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app.router()).await });

    let post =
        |path: &str, body: Value| answer(reqwest::Client::new().post(format!("{url}{STREAM}{path}")).json(&body));
    let mut tab = Client::hello(&url, "tab", json!([{ "stream": "run:1" }])).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    post("/events", json!({ "id": "a", "type": "t", "data": { "n": 1 } })).await;
    tab.next("events").await;
    let nack = json!({ "type": "nack", "stream": "run:1", "epoch": epoch, "seq": 1, "attempt": 1, "error": "boom" });
    tab.send(nack).await;
    let delivery = loop {
        let (_, event) = answer(reqwest::Client::new().get(format!("{url}{STREAM}/events/a"))).await;
        if event["deliveries"][0]["state"] == "retrying" {
            break event["deliveries"][0].clone();
        }
    };
    let attempts: Vec<_> = asked.lock().unwrap().iter().map(|(_, _, _, attempt)| *attempt).collect();
    assert_eq!(attempts, [2, 3, 4, 5]);
    assert_eq!(asked.lock().unwrap()[0].2, r#"{"n":1}"#);
    let said: Vec<_> = delivery["failures"].as_array().unwrap().iter().map(|failure| &failure["message"]).collect();
    assert_eq!(
        (said[0], said[1], said[2]),
        (&json!("boom"), &json!("the application did not send it again"), &json!("the model is gone"))
    );
    assert!(said[3].as_str().unwrap().contains("broke off"), "{said:?}");
    let (_, confirmed) = post("/events/a/confirm", json!({ "consumer": "tab" })).await;
    assert_eq!(confirmed["changed"], true);
    server.abort();
}

#[tokio::test]
async fn more_retries_than_the_application_is_asked_for_at_a_time_wait() {
    let flags = ["server", "--dev", "--delivery-backoff", "1ms", "--delivery-backoff-max", "1ms"];
    let app = App::new(Config::try_parse_from(flags).unwrap(), Arc::new(MemoryLog::new(Retention::default()))).unwrap();
    let (asked, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counted, gate) = (asked.clone(), answers.clone());
    app.hub.on_retry(move |_, _, _, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = gate.clone();
        async move { gate.acquire().await.map(|permit| permit.forget()).map(|()| true) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app.router()).await });

    let mut tab = Client::hello(&url, "tab", json!([{ "stream": "run:1" }])).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    let all = MAX_ASKED_RETRIES + 20;
    let events = json!(vec![json!({ "type": "t" }); all]);
    answer(reqwest::Client::new().post(format!("{url}{STREAM}/events")).json(&events)).await;
    while tab.next("events").await["upto"] != all {}
    for seq in 1..=all {
        let nack =
            json!({ "type": "nack", "stream": "run:1", "epoch": epoch, "seq": seq, "attempt": 1, "error": "no" });
        tab.send(nack).await;
    }
    until("as many are asked for as may be", async || asked.load(Ordering::SeqCst) == MAX_ASKED_RETRIES).await;
    for answered in 1..=20 {
        answers.add_permits(1);
        until("the next one is asked for", async || asked.load(Ordering::SeqCst) >= MAX_ASKED_RETRIES + answered).await;
        assert_eq!(asked.load(Ordering::SeqCst), MAX_ASKED_RETRIES + answered);
    }
    server.abort();
}
