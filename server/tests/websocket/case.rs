//! One case: what a client sends, and everything that the server answers.

use super::support::{
    program::{Running, program},
    raw::{Raw, handshake},
};
use ackwire::wire::SUBPROTOCOL;
use serde_json::Value;
use tempfile::TempDir;

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The smallest question that has an answer.
pub const QUESTION: &str = r#"{"type":"ping"}"#;

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The answer to a [`question`].
    Answer,
    /// A pong frame with this payload.
    Pong(Vec<u8>),
    /// A close frame with this code, or with none.
    Close(Option<u16>),
    /// It has closed the connection.
    End,
}

/// After a `hello` these bytes are sent, and the server says exactly this: if it ends with a close, the connection is over,
/// otherwise it goes on working.
pub struct Case {
    number: &'static str,
    what: String,
    sends: Vec<u8>,
    /// Any of these: a close may overtake the answers to what came right before it.
    says: Vec<Vec<Says>>,
}

pub fn case(number: &'static str, what: impl Into<String>, sends: Vec<u8>, says: &[Says]) -> Case {
    Case { number, what: what.into(), sends, says: vec![says.to_vec()] }
}

impl Case {
    pub fn or(mut self, says: &[Says]) -> Self {
        self.says.push(says.to_vec());
        self
    }

    async fn play(&self, url: &str, consumer: String, piece: usize) {
        let who = format!("{} {}, {piece} bytes at a time", self.number, self.what);
        let mut socket = Socket::greeted(url, &consumer).await;
        for bytes in self.sends.chunks(piece) {
            socket.0.send(bytes).await;
        }
        let most = self.says.iter().map(Vec::len).max().unwrap_or(0);
        let mut said = Vec::new();
        while said.len() < most && !matches!(said.last(), Some(Says::Close(_) | Says::End)) {
            said.push(socket.next().await);
        }
        assert!(self.says.contains(&said), "{who}: {said:?} instead of {:?}", self.says);
        if let Some(Says::Close(_)) = said.last() {
            socket.0.send(close(1000_u16.to_be_bytes())).await;
            assert_eq!(socket.next().await, Says::End, "{who}: nothing comes after a close");
        } else {
            socket.0.send(text(QUESTION)).await;
            assert_eq!(socket.next().await, Says::Answer, "{who}: the connection goes on");
        }
    }
}

/// Plays each case as one write and in small pieces.
pub async fn check(cases: impl IntoIterator<Item = Case>) {
    let folder = TempDir::new().unwrap();
    let flags = ["--dev", "--port", "0", "--max-handshakes-per-second", "100000"];
    let server = Running::start(program(&flags, &folder));
    for (count, case) in cases.into_iter().enumerate() {
        // A kilobyte comes byte by byte.
        for (way, piece) in [usize::MAX, case.sends.len().div_ceil(1024).max(1)].into_iter().enumerate() {
            case.play(&server.url, format!("c{count}-{way}"), piece).await;
        }
    }
}

struct Socket(Raw);

impl Socket {
    async fn greeted(url: &str, consumer: &str) -> Self {
        let mut raw = Raw::connect(url).await;
        raw.send(handshake("")).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.to_ascii_lowercase().contains(&format!("sec-websocket-protocol: {SUBPROTOCOL}")), "{head}");
        raw.send(text(format!(r#"{{"type":"hello","consumer":"{consumer}"}}"#))).await;
        let mut socket = Self(raw);
        let (_, welcome) = socket.frame().await.expect("a welcome");
        assert!(welcome.starts_with(br#"{"type":"welcome""#));
        socket
    }

    async fn next(&mut self) -> Says {
        loop {
            let Some((first, payload)) = self.frame().await else { return Says::End };
            match first {
                0x81 => match serde_json::from_slice::<Value>(&payload).unwrap()["type"].as_str() {
                    Some("pong") => return Says::Answer,
                    // The server's own heartbeat.
                    Some("ping") => {}
                    other => panic!("{other:?} was not asked for"),
                },
                0x8A => return Says::Pong(payload),
                0x88 => return Says::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
                other => panic!("a frame that begins with {other:#x}"),
            }
        }
    }

    /// The first byte and the payload of a frame; `None` if the server closed the connection instead.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length] = *self.0.take(2).await?.first_chunk().unwrap();
        let count = match length {
            126 => u16::from_be_bytes(*self.0.take(2).await?.first_chunk().unwrap()).into(),
            127 => u64::from_be_bytes(*self.0.take(8).await?.first_chunk().unwrap()).try_into().unwrap(),
            // A server does not mask.
            short => short.into(),
        };
        assert!(length < 128, "a server does not mask");
        Some((first, self.0.take(count).await?))
    }
}

/// A masked frame whose first byte is this.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let payload = payload.as_ref();
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let mut bytes = head(first, payload.len() as u64, true);
    bytes.extend(MASK.iter().copied().chain(masked));
    bytes
}

/// What comes before the mask and the payload.
pub fn head(first: u8, length: u64, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(mask | length as u8),
        126..=0xFFFF => {
            bytes.push(mask | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

pub fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

pub fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PING, payload)
}

pub fn pong(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PONG, payload)
}

pub fn close(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, payload)
}

/// A question of exactly so many bytes.
pub fn question(bytes: usize) -> String {
    let (start, end) = (r#"{"type":"ping","x":""#, r#""}"#);
    let filling = "*".repeat(bytes - start.len() - end.len());
    format!("{start}{filling}{end}")
}

/// A question with these bytes inside a string of it.
pub fn asking(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [br#"{"type":"ping","x":""#, bytes.as_ref(), br#""}"#].concat()
}

/// A text message in these fragments.
pub fn fragments<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<u8> {
    let parts: Vec<P> = parts.into_iter().collect();
    let last = parts.len() - 1;
    let fragment = |(index, part): (usize, P)| {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        frame(opcode | if index == last { FIN } else { 0 }, part)
    };
    parts.into_iter().enumerate().flat_map(fragment).collect()
}
