//! A client without the SDK, on a real socket.

use std::time::Duration;

use ackwire::wire::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue, protocol::CloseFrame},
};

/// What is awaited comes much sooner; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.unwrap()
    }

    pub async fn try_connect(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let address = format!("{}/v1/socket", url.replacen("http", "ws", 1));
        let mut request = address.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Ok(Self { socket: connect_async(request).await?.0 })
    }

    /// Connected, welcome, and subscribed to these.
    pub async fn hello(url: &str, consumer: &str, subscriptions: Value) -> Self {
        Self::hello_with(url, json!({ "consumer": consumer, "subscriptions": subscriptions })).await
    }

    /// Connected, and welcome, with these fields of `hello`.
    pub async fn hello_with(url: &str, mut hello: Value) -> Self {
        let mut client = Self::connect(url).await;
        hello["type"] = "hello".into();
        client.send(hello.clone()).await;
        assert_eq!(client.next("welcome").await["consumer"], hello["consumer"]);
        client
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// A ping of the WebSocket's own.
    pub async fn send_socket_ping(&mut self, payload: &'static str) {
        self.socket.send(Message::Ping(payload.into())).await.unwrap();
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next frame, which is of this type; pings are answered by nobody.
    #[track_caller]
    pub fn next(&mut self, expected: &str) -> impl Future<Output = Value> {
        let expected = expected.to_owned();
        async move {
            match self.message().await {
                Some(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(frame["type"], *expected, "{frame}");
                    frame
                }
                other => panic!("{other:?} instead of `{expected}`"),
            }
        }
    }

    /// The next frame, whatever it is.
    pub async fn any(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next frame as it came.
    pub async fn text(&mut self) -> String {
        match self.message().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// Closes in order, and waits for the server's answer to that.
    pub async fn close(mut self) -> u16 {
        let (code, reason) = (1000.into(), "done".into());
        self.socket.close(Some(CloseFrame { code, reason })).await.unwrap();
        self.closed().await.0
    }

    /// Closes with this reason, as far as there is room for one.
    pub async fn close_with(mut self, reason: &str) {
        self.socket.close(Some(CloseFrame { code: 1000.into(), reason: reason.into() })).await.unwrap();
        self.closed().await;
    }

    /// The close frame's code and reason; frames before it are let go.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.message().await {
                Some(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Message::Text(_)) => {}
                other => panic!("{other:?} instead of a close frame"),
            }
        }
    }

    /// Whether the connection broke off without a close frame.
    pub async fn is_cut(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.socket.next()).await.expect("an end"), None | Some(Err(_)))
    }

    /// The next message, of whatever kind.
    pub async fn message(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("a message");
        message.map(|message| message.unwrap())
    }
}
