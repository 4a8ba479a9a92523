//! One address that wants everything, against the real program: it is refused, and others are not.

use crate::support::{
    program::{Running, program},
    raw::{Raw, handshake},
};
use std::net::{IpAddr, Ipv4Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

fn start(flags: &[&str]) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let all = [&["--dev", "--port", "0", "--log", "memory", "--drain", "0s"], flags].concat();
    (Running::start(program(&all, &folder)), folder)
}

/// The connection, and the head of what a handshake with these headers is answered.
async fn handshake_from(address: IpAddr, server: &Running, headers: &str) -> (Raw, String) {
    let mut raw = Raw::connect_from(address, &server.url).await;
    raw.send(handshake(headers)).await;
    let head = raw.head().await;
    (raw, head)
}

async fn status(server: &Running, headers: &str) -> u16 {
    handshake_from(HERE, server, headers).await.1.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Behind a proxy, everybody has its address: what it says of them is believed, and what they say of themselves is not.
#[tokio::test]
async fn a_storm_behind_a_proxy_is_one_clients_own() {
    let flags = ["--max-handshakes-per-second-per-peer", "1", "--max-handshake-burst-per-peer", "3"];
    let (server, _folder) = start(&[&flags[..], &["--peer-from", "x-forwarded-for"]].concat());
    let mut let_in = 0;
    for n in 0..100 {
        // What a client sends itself stands before what the proxy adds.
        match status(&server, &format!("X-Forwarded-For: 198.51.100.{n}, 203.0.113.7\r\n")).await {
            101 => let_in += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert!((3..50).contains(&let_in), "{let_in}");
    assert_eq!(status(&server, "X-Forwarded-For: 203.0.113.8\r\n").await, 101);
    // A household has more IPv6 addresses than there are bounds for.
    let mut let_in = 0;
    for n in 0..100 {
        let_in += usize::from(status(&server, &format!("X-Forwarded-For: 2001:db8::{n:x}\r\n")).await == 101);
    }
    assert!((3..50).contains(&let_in), "{let_in}");
    assert_eq!(status(&server, "X-Forwarded-For: 2001:db8:0:1::1\r\n").await, 101);
}

/// Without a proxy the header is the client's own word, and counts for nothing.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux answers at all of 127.0.0.0/8")]
async fn a_storm_is_its_addresses_own() {
    let (server, _folder) =
        start(&["--max-handshakes-per-second-per-peer", "1", "--max-handshake-burst-per-peer", "3"]);
    let mut refused = String::new();
    for n in 0..100 {
        let (_raw, head) = handshake_from(HERE, &server, &format!("X-Forwarded-For: 203.0.113.{n}\r\n")).await;
        if !head.starts_with("HTTP/1.1 101 ") {
            refused = head;
        }
    }
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: 1"), "{refused}");
    let elsewhere = IpAddr::from([127, 0, 0, 2]);
    let (_raw, head) = handshake_from(elsewhere, &server, "").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test]
async fn nobody_takes_all_places() {
    let (server, _folder) = start(&["--max-connections-per-peer", "2", "--peer-from", "x-real-ip"]);
    let of = async |address: &str| handshake_from(HERE, &server, &format!("X-Real-IP: {address}\r\n")).await;
    let one = of("203.0.113.7").await;
    let two = of("203.0.113.7").await;
    assert!(one.1.starts_with("HTTP/1.1 101 ") && two.1.starts_with("HTTP/1.1 101 "));
    let (mut three, head) = of("203.0.113.7").await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    let length: usize = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let body = String::from_utf8(three.take(length).await.unwrap()).unwrap();
    assert!(body.contains("--max-connections-per-peer") && body.contains("--peer-from"), "{body}");
    assert!(of("203.0.113.8").await.1.starts_with("HTTP/1.1 101 "));
    // A place is free again once its connection is over.
    drop(one);
    while !of("203.0.113.7").await.1.starts_with("HTTP/1.1 101 ") {}
}

/// Connections that ask for nothing: those of one address leave room for others'.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux answers at all of 127.0.0.0/8")]
async fn nobody_takes_all_http_connections() {
    let (server, _folder) = start(&["--max-http-connections", "3", "--max-http-connections-per-peer", "2"]);
    let _silent = [Raw::connect(&server.url).await, Raw::connect(&server.url).await];
    for _ in 0..10 {
        assert!(Raw::connect(&server.url).await.send(HEALTH).await.rest().await.is_empty(), "one too many");
    }
    let mut other = Raw::connect_from(IpAddr::from([127, 0, 0, 2]), &server.url).await;
    let answer = other.send(HEALTH).await.rest().await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}
