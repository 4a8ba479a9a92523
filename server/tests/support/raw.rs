//! HTTP byte by byte, for what no client would send.

use std::{net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// What is awaited comes much sooner; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a look at what has come lasts.
const MOMENT: Duration = Duration::from_millis(10);

/// A connection that says nothing by itself.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(url: &str) -> Self {
        Self(TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap())
    }

    /// From another address of this machine.
    pub async fn connect_from(address: IpAddr, url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        Self(socket.connect(url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap())
    }

    /// With room for a few KiB that are not read yet.
    pub async fn connect_narrow(url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self(socket.connect(url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap())
    }

    /// The server may have closed already: what it said is what counts.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.0.write_all(bytes.as_ref()).await;
        self
    }

    /// Everything that comes until the server closes; a reset ends it, too.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = self.0.read(&mut piece).await {
                bytes.extend_from_slice(&piece[..count]);
            }
        };
        timeout(PATIENCE, read).await.expect("the server closes");
        bytes
    }

    /// Everything that comes until the server says that nothing more does; the error, if the connection is reset instead.
    pub async fn last_words(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server closes").map(|_| bytes)
    }

    /// Whether these bytes go out to a peer that has not reset the connection.
    pub async fn goes_on(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the server reads").is_ok()
    }

    /// Exactly so many bytes; `None` if the server closes first.
    pub async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.expect("an answer").ok().map(|_| bytes)
    }

    /// Takes what has come within a moment, and says whether the server has closed.
    pub async fn is_closed(&mut self, said: &mut Vec<u8>) -> bool {
        match timeout(MOMENT, self.0.read_buf(said)).await {
            Ok(Ok(0) | Err(_)) => true,
            Ok(Ok(_)) | Err(_) => false,
        }
    }

    /// What comes, up to and with the end of the answer's head.
    pub async fn head(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = async {
            while !bytes.ends_with(b"\r\n\r\n") {
                match self.0.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => break,
                }
            }
        };
        timeout(PATIENCE, read).await.expect("an answer");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Upgraded to a WebSocket.
    pub async fn upgraded(url: &str) -> Self {
        let mut raw = Self::connect(url).await;
        raw.send(handshake("")).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }
}

/// The request that opens a WebSocket, with these headers besides (each ends with CR LF).
pub fn handshake(headers: &str) -> String {
    format!(
        "GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: ackwire.v1\r\n{headers}\r\n"
    )
}

/// One frame of a WebSocket, masked with zeros as a client may: its first byte, and its payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => bytes.extend([&[0xff][..], &(long as u64).to_be_bytes()].concat()),
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The code of the close frame that these bytes of a server end with.
pub fn close_code(bytes: &[u8]) -> Option<u16> {
    let at = bytes.windows(2).rposition(|pair| pair[0] == 0x88 && pair[1] as usize <= 125)?;
    Some(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]))
}
