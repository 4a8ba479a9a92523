//! The WebSocket itself, whatever it carries: how it is read, written and closed. [`Outgoing`] is what is written.
//!
//! The library reads, answers pings and closes. Texts, which are nearly all that a server sends, go past it: it would copy
//! each into a buffer that keeps the size of the largest frame that its connection ever had.

mod gate;

use futures_util::{Sink, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::AsyncWrite,
    time::{Duration, timeout},
};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig},
};

use super::{fault::Fault, outgoing::Outgoing};
use gate::Gate;

/// What a connection reads at a time. It is allocated with the connection and touched by its first read, and most of what
/// clients send are acks of a hundred bytes: the library's own 128 KiB would be nearly all that an idle connection costs.
const READ_BUFFER_BYTES: usize = 512;

/// Most texts that are handed to the system at once.
const MAX_AT_ONCE: usize = 16;

/// The longest head of a frame that a server sends: it masks nothing.
const MAX_HEAD_BYTES: usize = 10;

/// RFC 6455, 5.2: the only frame of a text.
const WHOLE_TEXT: u8 = 0x81;

/// How long a client may take to read the last words and to close its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// An open WebSocket.
pub(super) struct WebSocket {
    inner: WebSocketStream<Gate<TokioIo<Upgraded>>>,
    /// The client has closed: it is sent no text any more.
    is_closed: bool,
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

impl WebSocket {
    /// Messages of more bytes than `most` are not read.
    pub async fn new(upgraded: Upgraded, most: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most))
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0);
        let stream = Gate::new(TokioIo::new(upgraded));
        let inner = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { inner, is_closed: false }
    }

    /// The next that comes.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        Poll::Ready(match ready!(self.inner.poll_next_unpin(context)) {
            Some(Ok(Message::Close(_))) => {
                self.is_closed = true;
                Received::Closed
            }
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

    /// Writes the first of these texts, without the first `written` bytes of their frames; how many bytes the system took.
    /// Until [`set_between`](Self::set_between) is told that it took whole frames, nothing else is written.
    pub fn poll_texts<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str>,
        written: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        if written == 0 {
            // What the library has begun to say comes first.
            ready!(Pin::new(&mut self.inner).poll_flush(context))?;
            if self.is_closed {
                return Poll::Ready(Err(Error::AlreadyClosed));
            }
        }
        let (mut heads, mut bodies) = ([Head::default(); MAX_AT_ONCE], [""; MAX_AT_ONCE]);
        let mut count = 0;
        for (text, (head, body)) in texts.zip(heads.iter_mut().zip(&mut bodies)) {
            (*head, *body) = (Head::of(text), text);
            count += 1;
        }
        let mut pieces = [IoSlice::new(&[]); 2 * MAX_AT_ONCE];
        for index in 0..count {
            pieces[2 * index] = IoSlice::new(heads[index].bytes());
            pieces[2 * index + 1] = IoSlice::new(bodies[index].as_bytes());
        }
        let mut rest = &mut pieces[..2 * count];
        IoSlice::advance_slices(&mut rest, written);
        let stream = self.inner.get_mut().pass();
        match ready!(Pin::new(stream).poll_write_vectored(context, rest)) {
            Ok(0) => Poll::Ready(Err(Error::Io(io::ErrorKind::WriteZero.into()))),
            taken => Poll::Ready(taken.map_err(Error::Io)),
        }
    }

    /// Whether all texts that were begun are written to their ends.
    pub fn set_between(&mut self, is_between: bool) {
        self.inner.get_mut().set_open(is_between);
    }

    /// Ready when [`send`](Self::send) may be called.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_ready(context)
    }

    /// Sends anything but a text.
    pub fn send(&mut self, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.inner).start_send(message)
    }

    /// Comes once everything is with the system.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }
}

/// The head of a text's frame (RFC 6455, 5.2).
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    bytes: [u8; MAX_HEAD_BYTES],
    length: u8,
}

impl Head {
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; MAX_HEAD_BYTES];
        bytes[0] = WHOLE_TEXT;
        let length = match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(short @ ..=125), _) => {
                bytes[1] = short;
                2
            }
            (_, Ok(middle)) => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&middle.to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(text.len() as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, length }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }
}

/// The closing handshake, whoever began it: the last words, and reading on until the client has closed, so that its last
/// frames do not turn the close into a reset.
pub(super) async fn farewell(outgoing: &mut Outgoing, socket: &mut WebSocket) {
    let last = async {
        // Fails once the client has closed; then nobody reads the last words.
        let _ = poll_fn(|context| outgoing.poll_write(socket, context)).await;
        while let Some(Ok(_)) = socket.inner.next().await {}
    };
    if timeout(FAREWELL, last).await.is_err() {
        tracing::debug!("the client did not close in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, 5.2: the shortest form of a length, in network order.
    #[test]
    fn a_head_has_the_shortest_form_of_its_length() {
        for (length, expected) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (255, &[0x81, 126, 0, 255]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(Head::of(&"x".repeat(length)).bytes(), expected, "{length}");
        }
    }
}
