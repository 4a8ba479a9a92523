//! The program itself: what it says when it cannot start, and how it stops.

mod support;

use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::Command,
};
use support::{
    client::Client,
    program::{Running, program, program_at},
};

/// What it says on its way out, which must come without help.
fn fails(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "it never listened");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn assert_says(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` in:\n{text}");
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let cases: [(&[&str], &[&str]); 13] = [
        (&[], &["--jwt-secret", "ACKWIRE_JWT_SECRET", "--dev"]),
        (&["--dev", "--bind", "0.0.0.0"], &["--dev", "loopback", "0.0.0.0", "--bind"]),
        (&["--dev", "--jwt-secret", secret], &["--dev", "--jwt-secret"]),
        (&["--jwt-secret", "short"], &["--jwt-secret", "5 bytes", "32", "openssl"]),
        (&["--jwt-public-key", "none.pem"], &["--jwt-public-key", "none.pem", "No such file"]),
        (&["--dev", "--port", "65536"], &["--port", "65536"]),
        (&["--dev", "--log", "redis"], &["--log", "redis://", "sqlite", "memory"]),
        (
            &["--dev", "--log", "redis://ada:0123456789abcdef0123456789abcdef@a/b"],
            &["--log", "database", "redis://host"],
        ),
        (&["--dev", "--heartbeat", "1ms"], &["--heartbeat", "100ms"]),
        (&["--dev", "--hello-deadline", "soon"], &["--hello-deadline", "soon", "10s"]),
        (&["--dev", "--max-frame-bytes", "10"], &["--max-frame-bytes", "10", "1024"]),
        (&["--dev", "--retain-events", "0"], &["--retain-events"]),
        (&["--dev", "--allow-origin", "app.example"], &["--allow-origin", "https://"]),
    ];
    for (flags, pieces) in cases {
        let text = fails(program(flags, &folder));
        assert_says(&text, pieces);
        assert!(!text.contains(secret), "a secret is never repeated");
    }
    let mut command = program(&["--dev"], &folder);
    command.env("PORT", "http").env("ACKWIRE_LOG", "memory");
    assert_says(&fails(command), &["--port", "http"]);
    let mut command = program(&["--dev", "--port", "0"], &folder);
    command.env("RUST_LOG", "ackwire_server=loud");
    assert_says(&fails(command), &["RUST_LOG", "loud"]);
    assert!(!folder.path().join("data").exists(), "nothing was touched");
}

#[test]
fn a_key_of_the_wrong_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let text = fails(program(&["--jwt-public-key", "key.pem"], &folder));
    assert_says(&text, &["--jwt-public-key", "key.pem", "RS256, ES256 or EdDSA"]);
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = fails(program(&["--dev", "--log", "memory", "--port", &port], &folder));
    assert_says(&text, &[&address, "in use", "--port", "PORT"]);
}

#[test]
fn a_data_folder_belongs_to_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--dev", "--port", "0"];
    let first = Running::start(program(&flags, &folder));
    let text = fails(program(&flags, &folder));
    let data = folder.path().canonicalize().unwrap().join("data");
    assert_says(&text, &[data.to_str().unwrap(), "in use by another server", "--data"]);
    first.signal("KILL");
    drop(first);
    // However the first ended, the folder is free, and the log is whole.
    Running::start(program(&flags, &folder));
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let text = fails(program(&["--dev", "--port", "0", "--data", "file/data"], &folder));
    assert_says(&text, &["file/data", "cannot be used", "--data"]);
}

#[test]
fn the_environment_says_as_much_as_flags() {
    let folder = tempfile::tempdir().unwrap();
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let mut command = program(&[], &folder);
    command.env("ACKWIRE_DEV", "true").env("ACKWIRE_DATA", "elsewhere").env("PORT", &port);
    let server = Running::start(command);
    assert_eq!(server.port(), port);
    assert!(folder.path().join("elsewhere/ackwire.db").exists());
}

/// Both signals, with nobody connected: it stops at once, well, and tells why.
#[test]
fn a_signal_stops_it_well() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Running::start(program(&["--dev", "--port", "0", "--log-format", "json"], &folder));
        server.signal(signal);
        assert!(server.child.wait().unwrap().success(), "SIG{signal}");
        let (mut rest, mut lines) = (String::new(), String::new());
        server.stdout.read_to_string(&mut rest).unwrap();
        server.child.stderr.take().unwrap().read_to_string(&mut lines).unwrap();
        assert_eq!(rest, "", "one line on stdout");
        for line in lines.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        }
        assert!(lines.contains("stopped"));
        let left: Vec<_> =
            std::fs::read_dir(folder.path().join("data")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name == "ackwire.db-wal"), "the log is closed, in one file: {left:?}");
    }
}

/// [AW-DRAIN]: with somebody connected it waits for them; who cannot wait signals again.
#[tokio::test]
async fn a_second_signal_stops_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(program(&["--dev", "--port", "0", "--drain", "10m"], &folder));
    let mut tab = Client::hello(&server.url, "tab", json!([])).await;
    server.signal("TERM");
    assert_eq!(tab.next("drain").await["reconnect_in_ms"], 600_000);
    assert!(server.child.try_wait().unwrap().is_none(), "it waits");
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
}

#[cfg(unix)]
#[tokio::test]
async fn with_few_files_it_says_so_and_refuses_connections_before_it_runs_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = env!("CARGO_BIN_EXE_ackwire-server");
    let flags = ["-c", r#"ulimit -n 200 && exec "$0" "$@""#, server, "--dev", "--port", "0", "--log", "memory"];
    let mut running = Running::start(program_at(Path::new("/bin/sh"), &flags, &folder));
    let (mut stderr, mut said) = (BufReader::new(running.child.stderr.take().unwrap()), String::new());
    stderr.read_line(&mut said).unwrap();
    assert_says(&said, &["200 files", "ulimit -n", "--max-connections"]);
    let mut held = Vec::new();
    let refused = loop {
        match Client::try_connect(&running.url, &[("sec-websocket-protocol", ackwire::wire::SUBPROTOCOL)]).await {
            Ok(client) => held.push(client),
            Err(refused) => break refused,
        }
        assert!(held.len() < 200);
    };
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 503);
    assert!(held.len() > 50, "{}", held.len());
}
