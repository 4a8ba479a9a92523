//! What the server has the disk do, as the kernel sees it: every answer comes after a sync of what it promises.

use serde_json::json;
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

use crate::support::program::Running;

/// strace ends much sooner; only a fault makes the test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);
const CALLS: &str = "pwrite64,write,writev,sendto,sendmsg,fsync,fdatasync";

/// The server under strace, or why there is none.
fn traced(folder: &TempDir, trace: &Path) -> Result<Command, String> {
    let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    match probe {
        Err(error) => return Err(format!("strace cannot be run ({error}): install it to see the syncs")),
        Ok(status) if !status.success() => return Err("strace may not trace here".into()),
        Ok(_) => {}
    }
    let mut command = Command::new("strace");
    // The tracer stands aside: this test's child is the server itself. Every thread, with the paths of files and enough of
    // what is written to recognise it.
    command.args(["--daemonize", "--follow-forks", "--decode-fds=path", "--string-limit=16384", "--trace"]).arg(CALLS);
    command.arg("--output").arg(trace).arg("--").arg(env!("CARGO_BIN_EXE_ackwire-server"));
    command.args(["--dev", "--port", "0", "--drain", "0s"]);
    command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// The trace, once the tracer has written its last line.
async fn complete(trace: &Path) -> String {
    let read = async {
        loop {
            let text = fs::read_to_string(trace).unwrap();
            if text.trim_end().ends_with("+++") && text.contains("+++ exited with 0 +++") {
                return text;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("strace ends with what it traces")
}

/// One completed call, in the order of completion; what was interrupted by another thread's is one again.
#[derive(Debug)]
struct Call {
    thread: String,
    text: String,
    /// The line at which it began; a call whose line has no rest begins and ends there.
    began: usize,
    ended: usize,
}

/// Reads strace's lines: `PID call(…) = result`, `PID call(… <unfinished ...>`, `PID <... call resumed>…) = result`.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: Vec<(String, String, usize)> = Vec::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let (thread, rest) = (thread.to_owned(), rest.trim_start());
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            open.push((thread, begin.to_owned(), at));
        } else if rest.starts_with("<... ") {
            let Some(index) = open.iter().position(|(of, ..)| *of == thread) else { continue };
            let (thread, begin, began) = open.remove(index);
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            calls.push(Call { thread, text: begin + end, began, ended: at });
        } else {
            calls.push(Call { thread, text: rest.to_owned(), began: at, ended: at });
        }
    }
    calls
}

impl Call {
    fn is(&self, names: &[&str], words: &[&str]) -> bool {
        names.iter().any(|name| self.text.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
            && words.iter().all(|word| self.text.contains(word))
    }

    fn is_sync_of(&self, path: &str) -> bool {
        self.is(&["fsync", "fdatasync"], &[path]) && self.text.trim_end().ends_with("= 0")
    }
}

/// The event's bytes go to the write-ahead log, that is synced, and only then the producer is answered. The folder of a
/// new database is synced before its first answer, too, and so is the one that holds it.
#[tokio::test]
async fn an_answer_comes_after_the_sync_of_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let command = match traced(&folder, &trace) {
        Ok(command) => command,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut server = Running::start(command);
    let client = reqwest::Client::new();
    let url = format!("{}/v1/streams/run:1/events", server.url);
    let ids: Vec<String> = (0..10).map(|n| format!("marked-event-{n}")).collect();
    for id in &ids {
        let answer = client.post(&url).json(&json!({ "id": id, "type": "x" })).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
    server.signal("TERM");
    server.child.wait().unwrap();
    let calls = calls(&complete(&trace).await);
    let name = folder.path().canonicalize().unwrap().display().to_string();
    let wal = format!("<{name}/data/ackwire.db-wal>");
    let mut first_answer = usize::MAX;
    for id in &ids {
        let written = calls.iter().find(|call| call.is(&["pwrite64", "write"], &[&wal, id]));
        let written = written.unwrap_or_else(|| panic!("{id} is not written to {wal}"));
        let sends = |call: &&Call| call.is(&["write", "writev", "sendto", "sendmsg"], &["201 Created", id]);
        let answered = calls.iter().find(sends).unwrap_or_else(|| panic!("{id} is not answered"));
        let synced = calls.iter().find(|call| {
            call.thread == written.thread
                && call.began > written.ended
                && call.ended < answered.began
                && call.is_sync_of(&wal)
        });
        assert!(synced.is_some(), "{id} was written by {written:?} and answered by {answered:?}, with no sync between");
        first_answer = first_answer.min(answered.began);
    }
    for made in [format!("<{name}/data>"), format!("<{name}>")] {
        let synced = calls.iter().any(|call| call.is_sync_of(&made) && call.ended < first_answer);
        assert!(synced, "{made} has a new entry, and is not synced before the first answer");
    }
}
