//! What a container asks of the program: it runs as nobody in particular, in an empty folder, says whether it lives,
//! and goes in order, whatever is under way.
#![cfg(unix)]

mod support;

use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};
use support::{
    client::Client,
    program::{Running, program, program_at},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// `nobody`, on every system that these tests run on.
const NOBODY: u32 = 65534;

/// Whether these tests may become somebody else. Those who may not are nobody in particular already.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim() == "0"
}

#[test]
fn it_runs_as_nobody_in_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = program(&["--port", "0"], &folder);
    // Where it was built nobody else may look.
    let place = tempfile::tempdir().unwrap();
    if is_root() {
        let copy = place.path().join("ackwire-server");
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // By another process: a child that another test starts meanwhile would hold the file open for writing, and a
        // program that is being written cannot be run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ackwire-server")).arg(&copy).status().unwrap();
        assert!(copied.success());
        command = program_at(&copy, &["--port", "0"], &folder);
        command.uid(NOBODY).gid(NOBODY);
    }
    command.env("ACKWIRE_JWT_SECRET", SECRET);
    let mut server = Running::start(command);
    assert!(folder.path().join("data/ackwire.db").exists());
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn it_says_whether_the_server_lives() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(program(&["--dev", "--port", "0"], &folder));
    let ask = |bind: &str| {
        let mut command = program(&["healthcheck"], &folder);
        command.env("PORT", server.port()).env("ACKWIRE_BIND", bind).output().unwrap()
    };
    for bind in ["127.0.0.1", "0.0.0.0"] {
        let answer = ask(bind);
        assert!(answer.status.success(), "{bind}: {answer:?}");
    }
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let mut command = program(&["healthcheck"], &folder);
    let answer = command.env("PORT", server.port()).output().unwrap();
    assert_eq!(answer.status.code(), Some(1));
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(said.contains("/health") && said.contains(server.port()), "{said}");
}

/// [AW-DRAIN], under load: producers that append until the server goes, and a consumer that confirms. Whatever was
/// answered is in the log afterwards, in its place, and what was confirmed is.
#[tokio::test]
async fn sigterm_under_load_loses_nothing_that_was_answered() {
    const PRODUCERS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--dev", "--port", "0", "--drain", "10s"];
    let mut server = Running::start(program(&flags, &folder));
    let subscription = json!([{ "stream": "run:1", "from": "start" }]);
    let mut tab = Client::hello(&server.url, "tab", subscription).await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    let producers: Vec<_> = (0..PRODUCERS).map(|number| tokio::spawn(produce(server.url.clone(), number))).collect();

    // The load is on: each event was answered, and the consumer confirms as it reads.
    let mut confirmed = 0;
    while confirmed < 200 {
        confirmed = confirm(&mut tab, &epoch).await.expect("nobody has stopped the server yet");
    }
    server.signal("TERM");
    while let Some(upto) = confirm(&mut tab, &epoch).await {
        confirmed = upto;
    }
    tab.close().await;
    let mut answered = BTreeMap::new();
    for producer in producers {
        answered.extend(producer.await.unwrap());
    }
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(answered.len() >= 200);

    let server = Running::start(program(&flags, &folder));
    let mut at = 0;
    let mut held = BTreeMap::new();
    loop {
        let page = format!("{}/v1/streams/run:1/events?after={at}&limit=1000", server.url);
        let page: Value = reqwest::get(page).await.unwrap().json().await.unwrap();
        for event in page["events"].as_array().unwrap() {
            held.insert(event["id"].as_str().unwrap().to_owned(), event["seq"].as_u64().unwrap());
        }
        at = page["upto"].as_u64().unwrap();
        if page["upto"] == page["head"] {
            break;
        }
    }
    for (id, seq) in &answered {
        assert_eq!(held.get(id), Some(seq), "{id} was answered");
    }
    let consumers = format!("{}/v1/streams/run:1/consumers", server.url);
    let consumers: Value = reqwest::get(consumers).await.unwrap().json().await.unwrap();
    let kept = consumers["consumers"][0]["confirmed"].as_u64().unwrap();
    assert_eq!(kept, confirmed, "what was confirmed stays confirmed");
}

/// Appends one event after another until the server no longer takes any: what was answered, with its place.
async fn produce(url: String, producer: usize) -> BTreeMap<String, u64> {
    let client = reqwest::Client::new();
    let mut answered = BTreeMap::new();
    for number in 0.. {
        let event = json!({ "id": format!("{producer}:{number}"), "type": "t", "data": number });
        let request = client.post(format!("{url}/v1/streams/run:1/events")).header(CONTENT_TYPE, "application/json");
        // Once the listener is gone nothing is answered any more.
        let Ok(answer) = request.body(event.to_string()).send().await else { break };
        assert_eq!(answer.status(), StatusCode::CREATED);
        let Ok(answer) = answer.json::<Value>().await else { break };
        let placed = &answer["events"][0];
        answered.insert(placed["id"].as_str().unwrap().to_owned(), placed["seq"].as_u64().unwrap());
    }
    answered
}

/// Confirms what comes next; `None` if that is the word to go elsewhere.
async fn confirm(tab: &mut Client, epoch: &Value) -> Option<u64> {
    let frame = tab.any().await;
    if frame["type"] == "drain" {
        return None;
    }
    assert_eq!(frame["type"], "events", "{frame}");
    let upto = frame["upto"].as_u64().unwrap();
    tab.send(json!({ "type": "ack", "stream": "run:1", "epoch": epoch, "upto": upto })).await;
    Some(upto)
}
