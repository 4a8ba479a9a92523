//! What waits to be written.

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket},
};
use futures_util::Sink;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use crate::{
    limits::{MAX_FEED_FRAMES, MAX_WAITING_FRAMES},
    monitor::Monitor,
};

/// Longest reason of a close frame, in bytes (RFC 6455, 5.5).
const MAX_REASON_BYTES: usize = 123;

/// Frames on their way to the socket, written as fast as it takes them, and counted.
pub(super) struct Outgoing {
    monitor: Arc<Monitor>,
    queue: VecDeque<Message>,
    /// The socket has taken something that it may hold back.
    is_unflushed: bool,
}

impl Outgoing {
    pub fn new(monitor: Arc<Monitor>) -> Self {
        Self { monitor, queue: VecDeque::new(), is_unflushed: false }
    }

    /// Adds a frame.
    pub fn push(&mut self, text: String) {
        self.push_message(Message::Text(text.into()));
    }

    /// Adds a message of whatever kind; texts are counted.
    pub fn push_message(&mut self, message: Message) {
        if let Message::Text(_) = message {
            self.monitor.metrics().frames_waiting().inc();
        }
        self.queue.push_back(message);
    }

    /// Adds the last frame.
    pub fn close(&mut self, code: u16, reason: &str) {
        let reason = ackwire::wire::truncate(reason, MAX_REASON_BYTES).into();
        self.queue.push_back(Message::Close(Some(CloseFrame { code, reason })));
    }

    /// Whether feeds may add frames.
    pub fn takes_events(&self) -> bool {
        self.queue.len() < MAX_FEED_FRAMES
    }

    /// Whether answers may be added.
    pub fn takes_answers(&self) -> bool {
        self.queue.len() < MAX_WAITING_FRAMES
    }

    /// Whether [`poll_write`](Self::poll_write) has something to do.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.is_unflushed
    }

    /// Writes everything; what the socket does not take yet stays.
    pub fn poll_write(&mut self, socket: &mut WebSocket, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut sink = Pin::new(socket);
        while !self.queue.is_empty() {
            ready!(sink.as_mut().poll_ready(context))?;
            if let Some(message) = self.queue.pop_front() {
                if let Message::Text(text) = &message {
                    self.monitor.metrics().frames_waiting().dec();
                    self.monitor.metrics().count_written(text.len());
                }
                sink.as_mut().start_send(message)?;
                self.is_unflushed = true;
            }
        }
        ready!(sink.poll_flush(context))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let texts = self.queue.iter().filter(|message| matches!(message, Message::Text(_))).count();
        self.monitor.metrics().frames_waiting().sub(texts as i64);
    }
}
