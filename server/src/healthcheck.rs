//! `ackwire-server healthcheck`: asks the server on this machine whether it lives, for containers that have no curl.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long each step of the question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of the answer that are read: its first line is enough.
const MAX_ANSWER_BYTES: u64 = 1024;

/// Asks `GET /health` of the server that listens there; the error says what came instead of 200.
pub fn healthcheck(listens: SocketAddr) -> Result<(), String> {
    let address = reachable(listens);
    let failed = |error| format!("no answer from http://{address}/health: {error}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let question = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer);
    let line = answer.lines().next().unwrap_or_default();
    match line.strip_prefix("HTTP/1.1 200 ") {
        Some(_) => Ok(()),
        None => Err(format!("http://{address}/health answers `{line}`")),
    }
}

/// Who listens everywhere is reached on this machine.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}
