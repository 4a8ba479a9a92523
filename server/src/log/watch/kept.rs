//! How much is kept for all watchers together.

use ackwire::{deliver::Entry, wire::Seq};
use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use super::{Channel, lock};

/// Most bytes that events in memory take, of all watched streams together, as far as they can be counted. The first that
/// were kept go first; who wants them reads the log.
pub(super) const MAX_KEPT_BYTES: usize = 32 << 20;

/// What an event takes besides its texts.
const EVENT_BYTES: usize = 512;

/// What an event takes: its wire form, and its fields once more.
pub(super) fn bytes_of(entry: &Entry) -> usize {
    EVENT_BYTES + 2 * entry.bytes()
}

/// What is kept, in the order in which it came. What went by itself (trimmed, or with its channel) counts until its turn
/// comes.
///
/// Invariant: `bytes` is the sum over `pieces`, at most [`MAX_KEPT_BYTES`].
#[derive(Default)]
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

struct Piece {
    channel: Weak<Channel>,
    what: What,
    bytes: usize,
}

enum What {
    /// So many events at the end of the stream as it was then.
    Newest(usize),
    /// The page after this.
    Page(Seq),
}

impl Kept {
    pub fn add_newest(&mut self, channel: &Arc<Channel>, events: usize, bytes: usize) {
        self.add(Piece { channel: Arc::downgrade(channel), what: What::Newest(events), bytes });
    }

    pub fn add_page(&mut self, channel: &Arc<Channel>, after: Seq, bytes: usize) {
        self.add(Piece { channel: Arc::downgrade(channel), what: What::Page(after), bytes });
    }

    fn add(&mut self, piece: Piece) {
        self.bytes += piece.bytes;
        self.pieces.push_back(piece);
        while self.bytes > MAX_KEPT_BYTES {
            let Some(Piece { channel, what, bytes }) = self.pieces.pop_front() else { return };
            self.bytes -= bytes;
            let Some(channel) = channel.upgrade() else { continue };
            match what {
                What::Newest(events) => lock(&channel.recent).drop_newest(events),
                What::Page(after) => lock(&channel.recent).drop_page(after),
            }
        }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
