//! A WebSocket that sends back what it is sent, for conformance suites such as Autobahn's: a connection of ours in
//! everything but the protocol.

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use futures_util::StreamExt;

use super::{
    outgoing::Outgoing,
    transport::{Incoming, Received, farewell, prepare},
};
use crate::{alerts::Thresholds, monitor::Monitor};

/// Most bytes of a message: suites send 16 MiB.
const MAX_BYTES: usize = 64 << 20;

/// RFC 6455, 7.4.1: a message that is too large.
const TOO_LARGE: u16 = 1009;

/// Opens such a connection. No part of a server: it asks nobody who they are.
pub async fn echo(upgrade: WebSocketUpgrade) -> Response {
    prepare(upgrade, MAX_BYTES).on_upgrade(carry)
}

async fn carry(socket: WebSocket) {
    let (mut sink, stream) = socket.split();
    let mut incoming = Incoming(stream);
    let mut outgoing = Outgoing::new(Monitor::new(Thresholds::default()));
    loop {
        tokio::select! {
            received = incoming.next(), if outgoing.takes_answers() => match received {
                Received::Message(message @ (Message::Text(_) | Message::Binary(_))) => outgoing.push_message(message),
                // Pings were answered beneath.
                Received::Message(_) => {}
                Received::Closed => break,
                Received::Oversized => break outgoing.close(TOO_LARGE, "too large"),
                Received::Violation(code, reason) => break outgoing.close(code, &reason),
                Received::Gone => return,
            },
            written = outgoing.write(&mut sink), if outgoing.has_work() => if written.is_err() { return },
        }
    }
    farewell(&mut outgoing, sink, incoming).await;
}
