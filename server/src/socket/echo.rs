//! A WebSocket that sends back what it is sent, for conformance suites such as Autobahn's: a connection of ours in
//! everything but the protocol.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use std::{
    future::poll_fn,
    task::{Context, Poll},
};
use tungstenite::Message;

use super::{
    handshake::Handshake,
    outgoing::Outgoing,
    websocket::{Received, WebSocket, farewell},
};
use crate::{alerts::Thresholds, monitor::Monitor};

/// Most bytes of a message: suites send 16 MiB.
const MAX_BYTES: usize = 64 << 20;

/// RFC 6455, 7.4.1: a message that is too large.
const TOO_LARGE: u16 = 1009;

/// Opens such a connection. No part of a server: it asks nobody who they are.
pub async fn echo(mut request: Request) -> Response {
    match Handshake::of(&mut request) {
        Ok(handshake) => handshake.then(MAX_BYTES, carry),
        Err(refused) => refused.into_response(),
    }
}

async fn carry(mut socket: Box<WebSocket>) {
    let mut outgoing = Outgoing::new(Monitor::new(Thresholds::default()));
    loop {
        match poll_fn(|context| poll_turn(&mut socket, &mut outgoing, context)).await {
            Received::Message(message @ (Message::Text(_) | Message::Binary(_))) => outgoing.push_message(message),
            // Pings were answered beneath.
            Received::Message(_) => {}
            Received::Closed => break,
            Received::Oversized => break outgoing.close(TOO_LARGE, "too large"),
            Received::Violation(code, reason) => break outgoing.close(code, &reason),
            Received::Gone => return,
        }
    }
    farewell(&mut outgoing, &mut socket).await;
}

/// Writes what is to be written, and reads while there is not too much of it.
fn poll_turn(socket: &mut WebSocket, outgoing: &mut Outgoing, context: &mut Context<'_>) -> Poll<Received> {
    if outgoing.has_work()
        && let Poll::Ready(Err(_)) = outgoing.poll_write(socket, context)
    {
        return Poll::Ready(Received::Gone);
    }
    if outgoing.takes_answers() { socket.poll_receive(context) } else { Poll::Pending }
}
