//! The real server, as a process of its own on a log of its own.

use reqwest::StatusCode;
use serde_json::Value;
use std::{fs, path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{Outcome, cores, usage};

/// Files that this process and the server's need besides the connections.
const OTHER_FILES: u64 = 1_200;

/// A server that runs until this is dropped.
pub struct Server {
    /// Kept so that the process ends with it.
    child: Child,
    /// `127.0.0.1:…`
    pub address: String,
    http: reqwest::Client,
    data: TempDir,
}

impl Server {
    /// In development mode, with these flags besides, and room for so many connections.
    pub async fn start(program: &Path, connections: usize, flags: &[&str]) -> Outcome<Self> {
        Self::start_on(None, program, connections, flags).await
    }

    /// The same, on this processor core only, if one is named.
    pub async fn start_on(core: Option<u32>, program: &Path, connections: usize, flags: &[&str]) -> Outcome<Self> {
        allow_files(connections as u64)?;
        let data = tempfile::tempdir()?;
        let most = connections.to_string();
        let mut child = cores::command(core, program)
            .args(["--dev", "--port", "0", "--max-connections", &most])
            // All clients of this machine have one address.
            .args(["--max-connections-per-peer", &most, "--max-handshake-burst-per-peer", &most, "--data"])
            .arg(data.path())
            .args(flags)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}: build it first", program.display()))?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let address = line.strip_prefix("listening on http://").ok_or("the server ended; it says why above")?;
        Ok(Self { child, address: address.to_owned(), http: reqwest::Client::new(), data })
    }

    /// The processor time that it has taken so far, in seconds, to a hundredth; `None` where the system does not tell.
    pub fn cpu_seconds(&self) -> Outcome<Option<f64>> {
        usage::cpu_seconds(self.child.id().ok_or("the server has ended")?)
    }

    /// Its memory that is in RAM, in bytes.
    pub async fn resident_bytes(&self) -> Outcome<u64> {
        let pid = self.child.id().ok_or("the server has ended")?.to_string();
        let listed = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output().await?;
        let kilobytes: u64 = String::from_utf8(listed.stdout)?.trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// What its files take, in bytes.
    pub fn disk_bytes(&self) -> Outcome<u64> {
        fs::read_dir(self.data.path())?.map(|entry| Ok(entry?.metadata()?.len())).sum()
    }

    /// Appends an event, or all of an array.
    pub async fn append(&self, stream: &str, events: &Value) -> Outcome<()> {
        let url = format!("http://{}/v1/streams/{stream}/events", self.address);
        let answer = self.http.post(url).json(events).send().await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => Ok(()),
            status => Err(format!("an append was answered with {status}: {}", answer.text().await?).into()),
        }
    }

    /// A number of its `/metrics`, by name and labels.
    pub async fn metric(&self, name: &str) -> Outcome<u64> {
        let text = self.http.get(format!("http://{}/metrics", self.address)).send().await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("the server has no metric {name}"))?.parse()?)
    }

    /// Waits until a number has come to what is wanted.
    pub async fn until_metric(&self, name: &str, wanted: impl Fn(u64) -> bool) -> Outcome<()> {
        let look = async {
            while !wanted(self.metric(name).await?) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), look).await.map_err(|_| format!("{name} did not move"))?
    }
}

/// Raises this process's limit of open files, which the server inherits, to what so many connections need.
pub fn allow_files(connections: u64) -> Outcome<()> {
    let wanted = connections + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(wanted)?;
    if allowed < wanted {
        let ask = "allow it more with `ulimit -n` (or LimitNOFILE), or ask for fewer with --connections";
        return Err(format!("this process may open {allowed} files and needs {wanted}: {ask}").into());
    }
    Ok(())
}
