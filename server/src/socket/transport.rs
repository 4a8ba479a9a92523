//! The WebSocket itself, whatever it carries: how it is opened, read and closed. [`Outgoing`] is how it is written.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use futures_util::StreamExt;
use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};
use tokio::time::{Duration, timeout};

use super::{fault::Fault, outgoing::Outgoing};

/// What a connection reads at a time. It is allocated with the connection and touched by its first read, and most of what
/// clients send are acks of a hundred bytes: the library's own 128 KiB would be nearly all that an idle connection costs.
const READ_BUFFER_BYTES: usize = 512;

/// Frames are gathered up to this before the socket is written to. A connection keeps the largest that it ever had.
const WRITE_BUFFER_BYTES: usize = 16 << 10;

/// How long a client may take to read the last words and to close its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// With our buffers; messages of more bytes than `most` are not read.
pub(super) fn prepare(upgrade: WebSocketUpgrade, most: usize) -> WebSocketUpgrade {
    let upgrade = upgrade.max_message_size(most).max_frame_size(most);
    upgrade.read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(WRITE_BUFFER_BYTES)
}

/// What came.
pub(super) enum Received {
    /// A message, or a ping or pong of the WebSocket's own.
    Message(Message),
    /// The client closes: [`farewell`] is due.
    Closed,
    /// A message that is larger than what is even read.
    Oversized,
    /// A breach of the WebSocket protocol: to be closed with this code and reason.
    Violation(u16, String),
    /// The connection is gone, and nobody is there to be told.
    Gone,
}

/// The next that comes.
pub(super) fn poll_receive(socket: &mut WebSocket, context: &mut Context<'_>) -> Poll<Received> {
    Poll::Ready(match ready!(socket.poll_next_unpin(context)) {
        Some(Ok(Message::Close(_))) => Received::Closed,
        Some(Ok(message)) => Received::Message(message),
        Some(Err(error)) => match Fault::of(&error) {
            Fault::Oversized => Received::Oversized,
            Fault::Violation(code, reason) => Received::Violation(code, reason),
            Fault::Broken => {
                tracing::debug!(%error, "broken off");
                Received::Gone
            }
        },
        None => Received::Gone,
    })
}

/// The closing handshake, whoever began it: the last words, and reading on until the client has closed, so that its last
/// frames do not turn the close into a reset.
pub(super) async fn farewell(outgoing: &mut Outgoing, socket: &mut WebSocket) {
    let last = async {
        // Fails once the client has closed; then nobody reads the last words.
        let _ = poll_fn(|context| outgoing.poll_write(socket, context)).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    if timeout(FAREWELL, last).await.is_err() {
        tracing::debug!("the client did not close in time");
    }
}
