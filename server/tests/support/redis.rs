//! A real Redis, in a process of its own.

use ackwire_server::log::{RedisLog, RedisSettings, Retention};
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

use super::until;

/// How it is set up when nothing else is asked for: durable, without snapshots, and replicas need not wait for others.
const DURABLE: [&str; 8] =
    ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--repl-diskless-sync-delay", "0"];

/// A `redis-server` on a port and with a folder of its own, until it is dropped.
pub struct Redis {
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Child,
}

impl Redis {
    /// One that keeps everything; `None` if there is no `redis-server` here.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same with other settings besides.
    pub fn with(settings: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: there is no redis-server on the PATH");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<String> = DURABLE.iter().chain(settings).map(|setting| setting.to_string()).collect();
        // Somebody else may take the port first.
        let (port, process) = (0..20)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                Some((port, run(port, &folder, &settings)?))
            })
            .expect("redis-server starts");
        Some(Self { folder, port, settings, process })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A log in it.
    pub fn log(&self, retention: Retention) -> RedisLog {
        RedisLog::new(RedisSettings { url: self.url().parse().unwrap(), replicas: 0 }, retention)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again where it was, with what it has kept.
    pub fn restart(&mut self) {
        self.process = run(self.port, &self.folder, &self.settings).expect("redis-server starts again");
    }

    /// Sends it a signal by name: STOP and CONT make it slow.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// A connection for the test's own commands.
    pub fn client(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Has it do something.
    pub fn command(&self, words: &[&str]) -> redis::Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.client()).unwrap()
    }

    /// Makes it a replica of that one, and waits until it has everything.
    pub async fn follow(&self, primary: &Self) {
        self.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        until("the replica has everything", async || {
            let info: String = redis::from_redis_value(self.command(&["INFO", "replication"])).unwrap();
            info.contains("master_link_status:up")
        })
        .await;
        let mut primary = primary.client();
        redis::cmd("SET").arg("follow").arg(1).exec(&mut primary).unwrap();
        assert_eq!(redis::cmd("WAIT").arg(1).arg(0).query::<u32>(&mut primary), Ok(1));
    }
}

/// Sentinels of a primary, of which there is one: it decides alone. Until it is dropped.
pub struct Sentinel {
    _folder: TempDir,
    port: u16,
    process: Child,
}

impl Sentinel {
    /// Watches the primary of these, and knows each of its replicas.
    pub async fn watch(primary: &Redis, replicas: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = folder.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 10000\n",
            primary.port()
        );
        std::fs::write(&settings, text).unwrap();
        let process = Command::new("redis-server")
            .arg(&settings)
            .args(["--sentinel", "--dir", folder.path().to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let sentinel = Self { _folder: folder, port, process };
        until("the sentinel knows the replicas", async || {
            let Ok(client) = redis::Client::open(format!("redis://127.0.0.1:{port}")) else { return false };
            let Ok(mut connection) = client.get_connection() else { return false };
            let known =
                redis::cmd("SENTINEL").arg("replicas").arg("mymaster").query::<Vec<redis::Value>>(&mut connection);
            known.is_ok_and(|known| known.len() == replicas)
        })
        .await;
        sentinel
    }

    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}", self.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs it until it takes connections; `None` if it ends before.
fn run(port: u16, folder: &TempDir, settings: &[String]) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir", folder.path().to_str().unwrap()])
        .args(settings)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.contains("Ready to accept connections") {
            // What else it says must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return Some(process);
        }
        line.clear();
    }
    process.wait().unwrap();
    None
}
