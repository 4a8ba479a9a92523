//! What the application sends, until the server has answered.

use super::{Notice, Phrase, SocketId, Transmit, output::Outputs};
use crate::base::{Backoff, Duration, Instant, Rng};
use crate::wire::{ErrorCode, EventId, Seq, StreamName, Text};

/// Publishes in the order they were given [AW-PUB-1].
#[derive(Debug)]
pub(super) struct Outbox<P> {
    entries: Vec<Entry<P>>,
}

#[derive(Debug)]
struct Entry<P> {
    id: EventId,
    stream: StreamName,
    message: P,
    bytes: usize,
    progress: Progress,
    rejections: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Unsent,
    Sent,
    /// Refused for now.
    Waits(Instant),
}

/// How many may be sent and unanswered at a time.
pub const MAX_IN_FLIGHT: usize = 32;

/// How long to wait after a refusal that may pass.
pub(super) const RETRY: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(30) };

impl<P: Clone> Outbox<P> {
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn contains(&self, stream: &StreamName, id: &EventId) -> bool {
        self.find(stream, id).is_some()
    }

    pub fn push(&mut self, id: EventId, stream: StreamName, message: P, bytes: usize) {
        self.entries.push(Entry { id, stream, message, bytes, progress: Progress::Unsent, rejections: 0 });
    }

    /// A new connection: what was not answered is sent again.
    pub fn restart(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.progress = Progress::Unsent);
    }

    /// Sends what may be sent. What this server will never take is refused here: it would close the connection over it.
    pub fn pump(&mut self, now: Instant, socket: SocketId, max_bytes: usize, out: &mut Outputs<P>) {
        while let Some(index) = self.entries.iter().position(|entry| entry.bytes > max_bytes) {
            let Entry { id, stream, .. } = self.entries.remove(index);
            let message = Phrase::MessageTooLarge.into();
            out.notice(Notice::Rejected { id, stream, code: ErrorCode::TooLarge, message });
        }
        let room = self.room();
        let ready = |entry: &&mut Entry<P>| match entry.progress {
            Progress::Unsent => true,
            Progress::Sent => false,
            Progress::Waits(due) => due <= now,
        };
        for entry in self.entries.iter_mut().filter(ready).take(room) {
            entry.progress = Progress::Sent;
            out.transmits.push_back(Transmit::Publish { socket, message: entry.message.clone() });
        }
    }

    /// The log has it. An answer to what was answered before is not heard.
    pub fn published(&mut self, id: EventId, stream: StreamName, seq: Seq, duplicate: bool, out: &mut Outputs<P>) {
        if let Some(index) = self.find(&stream, &id) {
            self.entries.remove(index);
            out.notice(Notice::Published { id, stream, seq, duplicate });
        }
    }

    /// The server refused it, for good or for now [AW-PUB-2].
    pub fn rejected(
        &mut self,
        now: Instant,
        (id, stream): (EventId, StreamName),
        code: ErrorCode,
        message: Text,
        rng: &mut Rng,
        out: &mut Outputs<P>,
    ) {
        let Some(index) = self.find(&stream, &id) else { return };
        if code.is_retryable() {
            let entry = &mut self.entries[index];
            entry.progress = Progress::Waits(now + RETRY.delay(entry.rejections, rng));
            entry.rejections += 1;
        } else {
            self.entries.remove(index);
            out.notice(Notice::Rejected { id, stream, code, message });
        }
    }

    /// When something may be sent again. With no room it is the next answer that lets it go, not the time.
    pub fn next_due(&self) -> Option<Instant> {
        if self.room() == 0 {
            return None;
        }
        let due = |entry: &Entry<P>| match entry.progress {
            Progress::Waits(due) => Some(due),
            Progress::Unsent | Progress::Sent => None,
        };
        self.entries.iter().filter_map(due).min()
    }

    /// How many more may be on their way.
    fn room(&self) -> usize {
        let in_flight = self.entries.iter().filter(|entry| entry.progress == Progress::Sent).count();
        MAX_IN_FLIGHT.saturating_sub(in_flight)
    }

    fn find(&self, stream: &StreamName, id: &EventId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == *id && entry.stream == *stream)
    }
}
