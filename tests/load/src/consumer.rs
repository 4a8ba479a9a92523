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
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

use crate::Outcome;

/// Thousands of them are in one process.
const BUFFER_BYTES: usize = 4096;

/// How a connection is made.
#[derive(Clone, Copy, Default)]
pub struct Way {
    /// From which address, so that there are ports enough; `None`: any.
    pub from: Option<Ipv4Addr>,
    /// The socket's receive buffer, in bytes; `None`: the system's.
    pub receive_buffer: Option<u32>,
}

/// One connection.
pub struct Consumer {
    socket: WebSocketStream<TcpStream>,
    /// Of each stream.
    epochs: BTreeMap<String, Value>,
}

impl Consumer {
    /// Connected, welcome, and subscribed to these (the entries of `hello.subscriptions`).
    pub async fn connect(address: &str, way: Way, name: &str, subscriptions: &[Value]) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = way.from {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        if let Some(bytes) = way.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address.parse()?).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/v1/socket").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        let mut consumer = Self { socket, epochs: BTreeMap::new() };
        let hello =
            json!({ "type": "hello", "consumer": name, "agent": "ackwire-load", "subscriptions": subscriptions });
        consumer.send(&hello).await?;
        consumer.expect("welcome").await?;
        for _ in subscriptions {
            let subscribed = consumer.expect("subscribed").await?;
            consumer.epochs.insert(text(&subscribed["stream"]).to_owned(), subscribed["epoch"].clone());
        }
        Ok(consumer)
    }

    /// The next frame; an error if there is none.
    pub async fn next(&mut self) -> Outcome<Value> {
        loop {
            match self.socket.next().await.ok_or("the server broke off")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(close) => return Err(format!("the server closed: {close:?}").into()),
                _ => {}
            }
        }
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
