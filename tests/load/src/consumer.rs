//! A consumer without the SDK: one connection, which knows as much of the protocol as it must.

use ackwire::wire::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

use crate::Outcome;

/// Thousands of them are in one process.
const BUFFER_BYTES: usize = 4096;
/// Connections of one source address: each needs a port of its own.
const OF_ONE_ADDRESS: usize = 5_000;

/// How a connection is made.
#[derive(Clone, Copy, Default)]
pub struct Way {
    /// From which address, so that there are ports enough; `None`: any.
    pub from: Option<Ipv4Addr>,
    /// The socket's receive buffer, in bytes; `None`: the system's.
    pub receive_buffer: Option<u32>,
}

/// A WebSocket, whatever is spoken over it.
pub type Socket = WebSocketStream<TcpStream>;

/// Opens one; `ws://` with a numeric address.
pub async fn open(url: &str, way: Way, subprotocol: Option<&'static str>) -> Outcome<Socket> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = way.from {
        socket.bind(SocketAddr::from((from, 0)))?;
    }
    if let Some(bytes) = way.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let mut request = url.into_client_request()?;
    let address = request.uri().authority().ok_or("a URL without an address")?.as_str().parse()?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
    }
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
    Ok(client_async_with_config(request, stream, Some(config)).await?.0)
}

/// One connection.
pub struct Consumer {
    socket: Socket,
    /// Of each stream.
    epochs: BTreeMap<String, Value>,
}

impl Consumer {
    /// Connected, welcome, and subscribed to these (the entries of `hello.subscriptions`). Events that come before the last
    /// of them is subscribed are let go.
    pub async fn connect(address: &str, way: Way, name: &str, subscriptions: &[Value]) -> Outcome<Self> {
        let socket = open(&format!("ws://{address}/v1/socket"), way, Some(SUBPROTOCOL)).await?;
        let mut consumer = Self { socket, epochs: BTreeMap::new() };
        let hello =
            json!({ "type": "hello", "consumer": name, "agent": "ackwire-load", "subscriptions": subscriptions });
        consumer.send(&hello).await?;
        consumer.expect("welcome").await?;
        while consumer.epochs.len() < subscriptions.len() {
            let frame = consumer.next().await?;
            match text(&frame["type"]) {
                "subscribed" => _ = consumer.epochs.insert(text(&frame["stream"]).to_owned(), frame["epoch"].clone()),
                "events" => {}
                _ => return Err(format!("{frame} instead of `subscribed`").into()),
            }
        }
        Ok(consumer)
    }

    /// The next frame; an error if there is none.
    pub async fn next(&mut self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.next_text().await?)?)
    }

    /// The next frame as it came; an error if there is none. May be dropped at any time: nothing is lost.
    pub async fn next_text(&mut self) -> Outcome<Utf8Bytes> {
        loop {
            match self.socket.next().await.ok_or("the server broke off")?? {
                Message::Text(text) => return Ok(text),
                Message::Close(close) => return Err(format!("the server closed: {close:?}").into()),
                _ => {}
            }
        }
    }

    /// Subscribes to one more stream (the fields of `subscribe`); frames of other streams must not come meanwhile.
    pub async fn subscribe(&mut self, mut subscription: Value) -> Outcome<()> {
        subscription["type"] = "subscribe".into();
        self.send(&subscription).await?;
        let subscribed = self.expect("subscribed").await?;
        self.epochs.insert(text(&subscribed["stream"]).to_owned(), subscribed["epoch"].clone());
        Ok(())
    }

    /// Says that everything of the stream up to there is applied.
    pub async fn ack(&mut self, stream: &str, upto: &Value) -> Outcome<()> {
        let epoch = &self.epochs[stream];
        self.send(&json!({ "type": "ack", "stream": stream, "epoch": epoch, "upto": upto })).await
    }

    /// Answers a `ping`.
    pub async fn pong(&mut self) -> Outcome<()> {
        self.send(&json!({ "type": "pong" })).await
    }

    async fn send(&mut self, frame: &Value) -> Outcome<()> {
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    async fn expect(&mut self, expected: &str) -> Outcome<Value> {
        let frame = self.next().await?;
        if frame["type"] == expected { Ok(frame) } else { Err(format!("{frame} instead of `{expected}`").into()) }
    }
}

/// A field that the protocol says is a string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An entry of `hello.subscriptions`, from the beginning of the stream.
pub fn subscription(stream: &str, window_events: u32, window_bytes: u32) -> Value {
    json!({ "stream": stream, "from": "start", "window": { "events": window_events, "bytes": window_bytes } })
}

/// A source address for a connection of a round, so that there are ports enough; each round has addresses of its own:
/// ports of connections that were closed stay taken for a minute.
pub fn source(round: usize, index: usize) -> Option<Ipv4Addr> {
    // Elsewhere only 127.0.0.1 is there without being set up.
    let address = Ipv4Addr::new(127, 0, 1 + (round % 254) as u8, 1 + (index / OF_ONE_ADDRESS) as u8);
    cfg!(target_os = "linux").then_some(address)
}
