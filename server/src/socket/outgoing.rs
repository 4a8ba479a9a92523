//! What waits to be written.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tungstenite::{Error, Message, protocol::CloseFrame};

use super::websocket::{Head, WebSocket};
use crate::{
    limits::{MAX_FEED_BYTES, MAX_FEED_FRAMES, MAX_WAITING_FRAMES},
    monitor::Monitor,
};

/// Longest reason of a close frame, in bytes (RFC 6455, 5.5).
const MAX_REASON_BYTES: usize = 123;

/// Frames on their way to the socket, written as fast as it takes them, and counted.
pub(super) struct Outgoing {
    monitor: Arc<Monitor>,
    queue: VecDeque<Message>,
    /// Of the texts in it.
    bytes: usize,
    /// So many bytes of the first one's frame are with the system already.
    written: usize,
    /// The socket has taken something that it may hold back.
    is_unflushed: bool,
}

impl Outgoing {
    pub fn new(monitor: Arc<Monitor>) -> Self {
        Self { monitor, queue: VecDeque::new(), bytes: 0, written: 0, is_unflushed: false }
    }

    /// Adds a frame.
    pub fn push(&mut self, text: String) {
        self.push_message(Message::Text(text.into()));
    }

    /// Adds a message of whatever kind; texts are counted.
    pub fn push_message(&mut self, message: Message) {
        if let Message::Text(text) = &message {
            self.bytes += text.len();
            self.monitor.metrics().frames_waiting().inc();
        }
        self.queue.push_back(message);
    }

    /// Adds the last frame.
    pub fn close(&mut self, code: u16, reason: &str) {
        let reason = ackwire::wire::truncate(reason, MAX_REASON_BYTES).into();
        self.queue.push_back(Message::Close(Some(CloseFrame { code: code.into(), reason })));
    }

    /// Whether feeds may add frames.
    pub fn takes_events(&self) -> bool {
        self.queue.len() < MAX_FEED_FRAMES && self.bytes < MAX_FEED_BYTES
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
        while let Some(first) = self.queue.front() {
            if let Message::Text(_) = first {
                let texts = self.queue.iter().map_while(as_text);
                let taken = ready!(socket.poll_texts(texts, self.written, context))?;
                self.took(taken);
                socket.set_between(self.written == 0);
            } else {
                ready!(socket.poll_ready(context))?;
                self.queue.pop_front().map_or(Ok(()), |message| socket.send(message))?;
            }
            self.is_unflushed = true;
        }
        ready!(socket.poll_flush(context))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// The system has taken so many bytes of the first texts' frames.
    fn took(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(text) = self.queue.front().and_then(as_text) {
            let (frame, length) = (Head::of(text).bytes().len() + text.len(), text.len());
            if self.written < frame {
                break;
            }
            self.written -= frame;
            self.bytes -= length;
            self.queue.pop_front();
            self.monitor.metrics().frames_waiting().dec();
            self.monitor.metrics().count_written(length);
        }
    }
}

fn as_text(message: &Message) -> Option<&str> {
    if let Message::Text(text) = message { Some(text.as_str()) } else { None }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let texts = self.queue.iter().filter(|message| matches!(message, Message::Text(_))).count();
        self.monitor.metrics().frames_waiting().sub(texts as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Thresholds;

    #[test]
    fn feeds_stop_at_so_many_frames_or_bytes_and_answers_go_on() {
        let mut outgoing = Outgoing::new(Monitor::new(Thresholds::default()));
        for _ in 0..MAX_FEED_FRAMES {
            assert!(outgoing.takes_events());
            outgoing.push("x".into());
        }
        assert!(!outgoing.takes_events() && outgoing.takes_answers());
        let mut outgoing = Outgoing::new(Monitor::new(Thresholds::default()));
        outgoing.push("x".repeat(MAX_FEED_BYTES - 1));
        assert!(outgoing.takes_events());
        outgoing.push("x".into());
        assert!(!outgoing.takes_events() && outgoing.takes_answers());
    }

    #[test]
    fn what_the_system_took_leaves_at_the_end_of_its_frame() {
        let mut outgoing = Outgoing::new(Monitor::new(Thresholds::default()));
        let waiting = |outgoing: &Outgoing| (outgoing.queue.len(), outgoing.bytes, outgoing.written);
        for length in [10, 200, 70_000] {
            outgoing.push("x".repeat(length));
        }
        for (taken, left) in [
            (11, (3, 70_210, 11)),
            (1, (2, 70_200, 0)),
            (203, (2, 70_200, 203)),
            (1 + 70_009, (1, 70_000, 70_009)),
            (1, (0, 0, 0)),
        ] {
            outgoing.took(taken);
            assert_eq!(waiting(&outgoing), left, "after {taken} more");
            assert_eq!(outgoing.monitor.metrics().frames_waiting().get(), left.0 as i64);
        }
    }
}
