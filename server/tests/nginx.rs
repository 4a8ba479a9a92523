//! The nginx configuration that `docs/operations.md` recommends, in a real nginx before real servers.

mod support;

use ackwire_server::log::Retention;
use reqwest::Method;
use serde_json::json;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
};
use support::{Server, answer, client::Client, redis::Redis, until};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Error;

const CONFIGURATION: &str = include_str!("../../docs/nginx.conf");
/// A heartbeat in the configuration, and here.
const HEARTBEAT_MS: [u64; 2] = [25_000, 400];

/// An nginx with that configuration before these servers, until it is dropped.
struct Nginx {
    url: String,
    process: Child,
    _folder: TempDir,
}

impl Nginx {
    /// `None` if there is no nginx here.
    async fn start(servers: &[Server]) -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            println!("skipped: there is no nginx on the PATH");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.path().join("nginx.conf");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {kind};")).join(" ");
        let around = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {{ worker_connections 256; }}\n\
             http {{ access_log off; {temporary}\n{}\n}}\n",
            adapted(servers, port)
        );
        fs::write(&path, around).unwrap();
        let process = Command::new("nginx").arg("-p").arg(folder.path()).arg("-c").arg(&path).spawn().unwrap();
        let nginx = Self { url: format!("http://127.0.0.1:{port}"), process, _folder: folder };
        until("nginx listens", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The configuration for these servers and without TLS, its times as much shorter as the heartbeat.
fn adapted(servers: &[Server], port: u16) -> String {
    let [theirs, ours] = HEARTBEAT_MS;
    let mut text = String::new();
    for line in CONFIGURATION.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["server", "10.0.0.11:8787", rest @ ..] => {
                for server in servers {
                    let address = server.url.strip_prefix("http://").unwrap();
                    text += &format!("server {address} {}\n", rest.join(" "));
                }
            }
            ["server", address, ..] if address.starts_with("10.0.0.") => {}
            ["listen", ..] => text += &format!("listen 127.0.0.1:{port};\n"),
            ["ssl_certificate" | "ssl_certificate_key", _] => {}
            [name @ ("proxy_read_timeout" | "proxy_send_timeout"), seconds] => {
                let seconds: u64 = seconds.strip_suffix("s;").unwrap().parse().unwrap();
                text += &format!("{name} {}ms;\n", seconds * 1_000 * ours / theirs);
            }
            _ => text += &format!("{line}\n"),
        }
    }
    assert!(text.contains("proxy_read_timeout 1200ms;") && text.contains("listen 127.0.0.1:"), "{text}");
    text
}

/// Servers that share a Redis.
async fn servers(redis: &Redis, flags: &[&str]) -> [Server; 2] {
    let heartbeat = format!("{}ms", HEARTBEAT_MS[1]);
    let all = [&["--dev", "--heartbeat", &heartbeat, "--peer-from", "x-forwarded-for"], flags].concat();
    let start = async || Server::with_log(&all, Arc::new(redis.log(Retention::default()))).await;
    [start().await, start().await]
}

async fn stop(servers: [Server; 2]) {
    for server in servers {
        server.stop().await;
    }
}

/// Idle for longer than nginx waits, a client is still there; what is posted anywhere comes to it.
#[tokio::test]
async fn a_silent_client_stays_connected() {
    let Some(redis) = Redis::start() else { return };
    let servers = servers(&redis, &["--drain", "0s"]).await;
    let Some(nginx) = Nginx::start(&servers).await else { return };
    let window = json!({ "events": 10, "bytes": 65536 });
    let subscription = json!([{ "stream": "run:1", "from": "start", "window": window }]);
    let mut clients = Vec::new();
    for name in ["one", "two"] {
        let mut client = Client::hello(&nginx.url, name, subscription.clone()).await;
        client.next("subscribed").await;
        clients.push(client);
    }
    // Twice as long as nginx would wait for a server that says nothing.
    for _ in 0..6 {
        for client in &mut clients {
            client.next("ping").await;
            client.send(json!({ "type": "pong" })).await;
        }
    }
    let event = json!({ "id": "a", "type": "x", "data": "x".repeat(100_000) });
    let post = reqwest::Client::new().request(Method::POST, format!("{}/v1/streams/run:1/events", nginx.url));
    assert_eq!(answer(post.json(&event)).await.0, 201);
    for client in &mut clients {
        let mut frame = client.any().await;
        while frame["type"] == "ping" {
            frame = client.any().await;
        }
        assert_eq!(frame["events"][0]["id"], "a");
    }
    drop(clients);
    stop(servers).await;
}

/// Limits of one address go by the client's own, whatever the client says it is.
#[tokio::test]
async fn a_clients_address_is_passed_on() {
    let Some(redis) = Redis::start() else { return };
    let servers = servers(&redis, &["--max-connections-per-peer", "1", "--drain", "0s"]).await;
    let Some(nginx) = Nginx::start(&servers).await else { return };
    let connect = async |claimed: &str| {
        let headers = [("sec-websocket-protocol", ackwire::wire::SUBPROTOCOL), ("x-forwarded-for", claimed)];
        Client::try_connect(&nginx.url, &headers).await
    };
    // One at each server.
    let held = [connect("10.1.0.1").await.unwrap(), connect("10.1.0.2").await.unwrap()];
    match connect("10.1.0.3").await {
        Err(Error::Http(refused)) => assert_eq!(refused.status(), 429),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a third connection of 127.0.0.1"),
    }
    drop(held);
    stop(servers).await;
}

/// [AW-DRAIN]: who comes while a server drains is sent to another one at once.
#[tokio::test]
async fn a_server_that_drains_gets_no_new_clients() {
    let Some(redis) = Redis::start() else { return };
    let [leaving, staying] = servers(&redis, &["--drain", "2s"]).await;
    let old = Client::hello(&leaving.url, "old", json!([])).await;
    let url = leaving.url.clone();
    let both = [leaving, staying];
    let Some(nginx) = Nginx::start(&both).await else { return };
    let [leaving, staying] = both;
    let left = tokio::spawn(leaving.stop());
    until("it drains", async || {
        let request = reqwest::Client::new().request(Method::GET, format!("{url}/health/ready"));
        answer(request).await.1["status"] == "draining"
    })
    .await;
    for number in 0..8 {
        let mut client = Client::hello(&nginx.url, &format!("new-{number}"), json!([])).await;
        client.send(json!({ "type": "ping" })).await;
        client.next("pong").await;
    }
    drop(old);
    left.await.unwrap();
    staying.stop().await;
}
