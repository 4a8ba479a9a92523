//! The program's own log lines, at their finest: whole, harmless, and without a secret.

use reqwest::{Client as Http, Method};
use serde_json::{Value, json};
use std::{io::Read, thread::JoinHandle};

use crate::support::{
    client::Client,
    program::{Running, program},
    raw::Raw,
    token::{SECRET, token},
};

/// Ends a line and begins another, clears a screen, colors it, in both encodings of the escape.
const HOSTILE: &str = "x\r\nFORGED\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{85}\u{2028}\u{202e}\0";

/// The program, whose lines are read as they come: a full pipe would stop it.
struct Watched {
    program: Running,
    lines: JoinHandle<String>,
    _folder: tempfile::TempDir,
}

impl Watched {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(&[&["--port", "0", "--log", "memory", "--drain", "0s"], flags].concat(), &folder);
        command.env("RUST_LOG", "trace");
        let mut program = Running::start(command);
        let mut stderr = program.child.stderr.take().unwrap();
        let lines = std::thread::spawn(move || {
            let mut lines = String::new();
            stderr.read_to_string(&mut lines).expect("log lines are UTF-8");
            lines
        });
        Self { program, lines, _folder: folder }
    }

    fn url(&self) -> &str {
        &self.program.url
    }

    /// Everything that it has logged in its life.
    fn stop(mut self) -> String {
        self.program.signal("TERM");
        assert!(self.program.child.wait().unwrap().success());
        self.lines.join().unwrap()
    }
}

async fn post(url: &str, path: &str, body: Value) -> u16 {
    let post = Http::new().request(Method::POST, format!("{url}{path}")).json(&body);
    post.send().await.unwrap().status().as_u16()
}

/// Hostile texts wherever somebody may put some that the server takes.
async fn attack(url: &str) {
    let meta = json!({ "run_id": HOSTILE, "thread_id": HOSTILE });
    let data = json!({ "run_id": HOSTILE, "tool": HOSTILE, "tool_name": HOSTILE, "call": HOSTILE });
    for kind in ["agent_completed", "agent_started", "tool_executing", "tool_completed", "agent_error"] {
        let event =
            json!({ "id": "\u{2028}\u{202e}id", "type": kind, "meta": meta, "data": data, "priority": "critical" });
        post(url, &format!("/v1/streams/run:{kind}/events"), event).await;
    }
    for body in [json!({ "task": HOSTILE }), json!({ "term": HOSTILE }), json!({ HOSTILE: 1 })] {
        post(url, "/v1/dev/runs", body).await;
    }
    post(url, "/v1/streams/run:agent_error/events/x/fail", json!({ "consumer": HOSTILE, "error": HOSTILE })).await;

    for head in [
        "GET /\u{9b}31m\u{85} HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET /%0d%0aFORGED%1b[2J HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET /a?b=%0d%0aFORGED HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: \u{9b}31m\r\nUser-Agent: \u{9b}31m\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\r\n FORGED\r\n",
        "GET / HTTP/1.1\r\nHost: \u{9b}31m\r\nOrigin: \u{9b}31m\r\n",
        "G\u{1b}T / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "FORGED-METHOD-THAT-IS-LONG /v1/streams HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    ] {
        Raw::connect(url).await.send(format!("{head}Connection: close\r\n\r\n")).await.rest().await;
    }

    let subscriptions = json!([{ "stream": "run:agent_error", "from": "start" }]);
    let mut tab = Client::connect(url).await;
    tab.send(json!({ "type": "hello", "consumer": "tab", "agent": HOSTILE, "subscriptions": subscriptions })).await;
    tab.next("welcome").await;
    let epoch = tab.next("subscribed").await["epoch"].clone();
    tab.next("events").await;
    let nack = json!({ "type": "nack", "stream": "run:agent_error", "epoch": epoch, "seq": 1, "attempt": 1,
        "error": HOSTILE, "retry": false });
    tab.send(nack).await;
    assert_eq!(tab.next("lost").await["reason"], "failed");
    tab.send(json!({ "type": "event_confirmation", "event_id": "\u{202e}", "status": "failed", "error": HOSTILE }))
        .await;
    tab.next("error").await;
    tab.send(json!({ "type": HOSTILE })).await;
    tab.send(json!({ "type": "subscribe", "stream": HOSTILE, "from": HOSTILE })).await;
    assert_eq!(tab.closed().await.0, 4400);
    for frame in
        [json!({ "type": "hello", "consumer": "a", "subscriptions": HOSTILE }), json!(HOSTILE), json!([HOSTILE])]
    {
        let mut client = Client::connect(url).await;
        client.send(frame).await;
        assert_eq!(client.closed().await.0, 4400);
    }
    let client = Client::hello(url, "b", json!([])).await;
    client.close_with(HOSTILE).await;
}

#[tokio::test]
async fn what_others_send_makes_no_line_and_no_order_to_a_terminal() {
    for format in ["text", "json"] {
        let server = Watched::start(&["--dev", "--log-format", format, "--alert-silence", "1s"]);
        attack(server.url()).await;
        let lines = server.stop();
        assert!(lines.contains("run_unstarted") && lines.contains("FORGED"), "the texts came that far:\n{lines}");
        for line in lines.lines() {
            assert!(!line.contains(char::is_control), "{format}: {line:?}");
            // A line that the server began: with its time, or as one object.
            let is_own = match format {
                "json" => serde_json::from_str::<Value>(line).is_ok_and(|line| line["timestamp"].is_string()),
                _ => line.get(..10).is_some_and(|date| date.bytes().filter(|&byte| byte == b'-').count() == 2),
            };
            assert!(is_own, "{format}: {line:?}");
        }
    }
}

/// [AW-CONN-3], however verbose: good tokens, bad ones, and those in a wrong place.
#[tokio::test]
async fn no_token_and_no_secret_reaches_a_log_line_or_an_answer() {
    let server = Watched::start(&["--jwt-secret", SECRET]);
    let url = server.url().to_owned();
    let good = token("ada", json!({ "read": ["*"], "write": ["*"], "operate": true }));
    let forged = format!("{good}x");
    let mut said = String::new();
    for token in [&good, &forged] {
        let bearer = format!("Bearer {token}");
        for (path, authorization) in [
            ("/v1/streams".to_owned(), bearer.as_str()),
            ("/v1/streams".to_owned(), token.as_str()),
            ("/v1/streams".to_owned(), &format!("Token {token}")),
            (format!("/v1/streams?token={token}"), &bearer),
            (format!("/v1/streams/run:1/events?after={token}"), &bearer),
        ] {
            let get = Http::new().get(format!("{url}{path}")).header("authorization", authorization);
            let answer = get.send().await.unwrap();
            said.push_str(&format!("{:?}", answer.headers()));
            let text = answer.text().await.unwrap();
            // Of a query, the caller is told what was wrong with it; that goes nowhere else.
            if !path.contains("after=") {
                said.push_str(&text);
            }
        }
        for frame in [
            json!({ "type": "hello", "consumer": "tab", "subscriptions": [], "token": token }),
            json!({ "type": "hello", "consumer": token, "subscriptions": [] }),
            json!({ "type": "hello", "consumer": "tab", "subscriptions": token }),
            json!({ "type": "hello", "consumer": "tab", "subscriptions": [{ "stream": "a", "from": token }] }),
            json!({ "type": "hello", "consumer": "tab", "subscriptions": [{ "stream": token }] }),
            json!({ "type": "hello", "consumer": "tab", "subscriptions": [], "token": [token] }),
            json!({ "type": token }),
            json!(token),
        ] {
            let mut client = Client::connect(&url).await;
            let is_good = frame["token"] == json!(good);
            client.send(frame).await;
            if is_good {
                said.push_str(&client.next("welcome").await.to_string());
                client.send(json!({ "type": "auth", "token": good })).await;
                said.push_str(&client.next("authenticated").await.to_string());
                client.send(json!({ "type": "auth", "token": forged })).await;
            }
            said.push_str(&client.closed().await.1);
        }
    }
    let lines = server.stop();
    assert!(lines.contains("refused") && lines.contains("welcome"), "{lines}");
    for part in good.split('.').filter(|part| part.len() > 40).chain([SECRET]) {
        assert!(!lines.contains(part), "in a log line: {part}\n{lines}");
        assert!(!said.contains(part), "in an answer: {part}\n{said}");
    }
}
