//! Who is let in over WebSocket, to which streams, and for how long.

mod support;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use support::{Server, answer, client::Client};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Tokens run out to the second.
const EXACTLY: [&str; 4] = ["--jwt-secret", SECRET, "--jwt-leeway", "0s"];

fn token(subject: &str, lasts_seconds: u64) -> String {
    let exp = ackwire_server::clock::unix_ms() / 1000 + lasts_seconds;
    let access = json!({ "read": ["run:*"], "write": ["run:1"] });
    let claims = json!({ "sub": subject, "exp": exp, "ackwire": access });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn hello(token: Option<&str>, streams: &[&str]) -> Value {
    let subscriptions: Vec<_> = streams.iter().map(|stream| json!({ "stream": stream })).collect();
    let mut hello = json!({ "type": "hello", "consumer": "tab", "subscriptions": subscriptions });
    if let Some(token) = token {
        hello["token"] = token.into();
    }
    hello
}

async fn connect(server: &Server, token: &str, streams: &[&str]) -> (Client, Value) {
    let mut client = Client::connect(&server.url).await;
    client.send(hello(Some(token), streams)).await;
    let welcome = client.next("welcome").await;
    (client, welcome)
}

/// [AW-AUTH-1]
#[tokio::test]
async fn without_a_good_token_hello_closes_with_4401() {
    let server = Server::start(&EXACTLY).await;
    let forged = format!("{}x", token("ada", 60));
    for (given, said) in [(None, "token"), (Some(&*token("ada", 0)), "expired"), (Some(&*forged), "refused")] {
        let mut client = Client::connect(&server.url).await;
        client.send(hello(given, &[])).await;
        let (code, reason) = client.closed().await;
        assert!(code == 4401 && reason.contains(said), "{code} {reason}");
    }
    server.stop().await;
}

#[tokio::test]
async fn claims_decide_which_streams_are_read_and_written() {
    let server = Server::start(&EXACTLY).await;
    let (mut client, _) = connect(&server, &token("ada", 60), &["run:1", "user:1"]).await;
    assert_eq!(client.next("subscribed").await["stream"], "run:1");
    let refused = client.next("error").await;
    assert_eq!((&refused["code"], &refused["stream"]), (&json!("forbidden"), &json!("user:1")));
    let publish =
        |stream: &str| json!({ "type": "publish", "stream": stream, "id": "p", "event_type": "x", "data": 1 });
    client.send(publish("run:2")).await;
    let rejected = client.next("rejected").await;
    assert_eq!((&rejected["code"], &rejected["stream"]), (&json!("forbidden"), &json!("run:2")));
    client.send(json!({ "type": "unsubscribe", "stream": "run:1" })).await;
    client.send(publish("run:1")).await;
    assert_eq!(client.next("published").await["seq"], 1);
    drop(client);
    server.stop().await;
}

/// [AW-AUTH-2]
#[tokio::test]
async fn a_token_that_runs_out_closes_with_4401_unless_a_fresh_one_came() {
    let server = Server::start(&EXACTLY).await;
    let (mut renewed, _) = connect(&server, &token("ada", 2), &["run:1"]).await;
    renewed.next("subscribed").await;
    renewed.send(json!({ "type": "auth", "token": token("ada", 60) })).await;
    assert!(renewed.next("authenticated").await["expires_in_ms"].as_u64().unwrap() > 50_000);

    let (mut client, welcome) = connect(&server, &token("bob", 2), &[]).await;
    assert!(welcome["token_expires_in_ms"].as_u64().unwrap() <= 2000);
    let (code, reason) = client.closed().await;
    assert!(code == 4401 && reason.contains("expired"), "{code} {reason}");

    renewed.send(json!({ "type": "ping" })).await;
    renewed.next("pong").await;
    renewed.send(json!({ "type": "auth", "token": "nonsense" })).await;
    assert_eq!(renewed.closed().await.0, 4401);
    drop((renewed, client));
    server.stop().await;
}

/// [AW-CONSUMER]: two users who chose the same name are two consumers.
#[tokio::test]
async fn a_consumer_is_the_users_own() {
    let server = Server::start(&EXACTLY).await;
    let (mut ada, _) = connect(&server, &token("ada", 60), &["run:1"]).await;
    let (mut bob, _) = connect(&server, &token("bob", 60), &["run:1"]).await;
    for client in [&mut ada, &mut bob] {
        client.next("subscribed").await;
    }
    let append = server.request(reqwest::Method::POST, "/v1/streams/run:1/events").bearer_auth(token("ada", 60));
    assert_eq!(answer(append.json(&json!({ "type": "x" }))).await.0, 201);
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.next("events").await["upto"], 1);
    }
    drop((ada, bob));
    server.stop().await;
}
