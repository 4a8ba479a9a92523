//! A producer: one HTTP connection that is kept, with as little around it as can be, so that the server is the bound.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::Outcome;

/// One connection.
pub struct Producer {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

/// What an append is answered with, as far as it is checked.
#[derive(Deserialize)]
struct Appended {
    events: Vec<Placed>,
}

#[derive(Deserialize)]
struct Placed {
    seq: u64,
    duplicate: bool,
}

impl Producer {
    pub async fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; what goes wrong shows there.
        tokio::spawn(connection);
        Ok(Self { address: address.to_owned(), sender })
    }

    /// Appends the events of a body (one, or an array); answers the seq of the last one once all are durable.
    pub async fn append(&mut self, stream: &str, body: Bytes) -> Outcome<u64> {
        let request = Request::post(format!("/v1/streams/{stream}/events"))
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let (status, body) = (answer.status(), answer.into_body().collect().await?.to_bytes());
        if status != StatusCode::CREATED {
            return Err(format!("an append was answered with {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        let Appended { events } = serde_json::from_slice(&body)?;
        match events.last() {
            Some(last) if events.iter().all(|placed| !placed.duplicate) => Ok(last.seq),
            _ => Err("an append without a new event".into()),
        }
    }
}

/// The body of an append of `count` events whose text has so many bytes.
pub fn body(count: usize, bytes: usize) -> Bytes {
    let event = serde_json::json!({ "type": "agent_thinking", "data": { "text": "x".repeat(bytes) } }).to_string();
    match count {
        1 => event.into(),
        _ => format!("[{}]", vec![event; count].join(",")).into(),
    }
}
