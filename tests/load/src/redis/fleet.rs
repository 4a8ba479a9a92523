//! A real Redis and real servers on it, each a process of its own.

use redis::Connection;
use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Fsync, WITHIN};
use crate::{Outcome, server::Server, usage};

/// A `redis-server` with a folder of its own, until it is dropped.
pub struct Redis {
    process: Child,
    port: u16,
    connection: Connection,
    _folder: TempDir,
}

impl Redis {
    pub fn version() -> Outcome<String> {
        let said = Command::new("redis-server").arg("--version").output();
        let said = said.map_err(|_| "redis-server is not on the PATH: Debian's package of that name has it")?;
        let text = String::from_utf8(said.stdout)?;
        let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Ok(version.ok_or("redis-server has no version")?.to_owned())
    }

    /// Set up to keep a log, as the operations guide says.
    pub async fn start(fsync: Fsync) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let sync = format!("{fsync:?}").to_lowercase();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", &sync, "--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
        let end = Instant::now() + WITHIN;
        let connection = loop {
            match client.get_connection() {
                Ok(connection) => break connection,
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        Ok(Self { process, port, connection, _folder: folder })
    }

    pub fn cpu_seconds(&self) -> Outcome<Option<f64>> {
        usage::cpu_seconds(self.process.id())
    }

    /// What its data takes, as it counts itself, in bytes.
    pub fn used_bytes(&mut self) -> Outcome<u64> {
        let info: redis::InfoDict = redis::cmd("INFO").arg("memory").query(&mut self.connection)?;
        Ok(info.get("used_memory_dataset").ok_or("INFO without used_memory_dataset")?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Servers that share a Redis.
pub struct Fleet {
    /// They end first.
    pub servers: Vec<Server>,
    pub redis: Redis,
}

impl Fleet {
    /// So many servers, each with room for so many connections.
    pub async fn start(
        program: &Path,
        fsync: Fsync,
        count: usize,
        connections: usize,
        flags: &[&str],
    ) -> Outcome<Self> {
        let redis = Redis::start(fsync).await?;
        let url = format!("redis://127.0.0.1:{}", redis.port);
        let mut servers = Vec::new();
        for _ in 0..count {
            let flags = [&["--log", &url], flags].concat();
            servers.push(Server::start(program, connections, &flags).await?);
        }
        Ok(Self { servers, redis })
    }

    /// Processor time of all servers so far, in seconds.
    pub fn cpu_seconds(&self) -> Outcome<Option<f64>> {
        self.servers.iter().map(Server::cpu_seconds).sum()
    }

    /// Memory of all servers, in bytes.
    pub async fn resident_bytes(&self) -> Outcome<u64> {
        let mut sum = 0;
        for server in &self.servers {
            sum += server.resident_bytes().await?;
        }
        Ok(sum)
    }

    /// Waits until the servers have so many confirmations between them.
    pub async fn until_confirmed(&self, wanted: usize) -> Outcome<()> {
        let end = Instant::now() + WITHIN;
        loop {
            let mut confirmed = 0;
            for server in &self.servers {
                confirmed += server.metric("ackwire_deliveries_confirmed_total{priority=\"normal\"}").await?;
            }
            match confirmed as usize {
                confirmed if confirmed == wanted => return Ok(()),
                confirmed if confirmed > wanted || Instant::now() > end => {
                    return Err(format!("{confirmed} confirmations of {wanted} events").into());
                }
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
