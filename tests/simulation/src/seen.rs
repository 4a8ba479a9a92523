//! What an application does with an event, and what it saw.

use ackwire::base::Duration;
use ackwire::wire::{Epoch, EventId, LostReason, Position, Seq, SeqRange};

/// What a handler does with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handling {
    /// How long it takes; `None` if it is done when it returns.
    pub after: Option<Duration>,
    /// Whether it never settles.
    pub hangs: bool,
    /// Whether it throws in the end.
    pub throws: bool,
    /// Whether another try is wanted then.
    pub retry: bool,
    /// What it calls first.
    pub call: Option<Call>,
}

impl Handling {
    /// Whether it has gone well when the handler returns.
    pub fn is_done(&self) -> bool {
        self.after.is_none() && !self.hangs && !self.throws
    }
}

/// What an application calls from within a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `flush`
    Flush,
    /// `publish`
    Publish,
    /// `unsubscribe`, from the very subscription
    Unsubscribe,
    /// `unsubscribe`, then `subscribe` again
    Resubscribe,
    /// The same with another stream of the page
    ResubscribeOther,
    /// `close`, then `connect`
    Reconnect,
    /// `connect`, although it is connected
    Connect,
    /// The page hides
    Hide,
    /// The page shows
    Wake,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Flush,
        Self::Publish,
        Self::Unsubscribe,
        Self::Resubscribe,
        Self::ResubscribeOther,
        Self::Reconnect,
        Self::Connect,
        Self::Hide,
        Self::Wake,
    ];
}

/// What an application saw of one stream in one page life, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The server has said where the feed begins.
    Subscribed {
        /// In this log.
        epoch: Epoch,
        /// After this place.
        after: Seq,
    },
    /// A handler began.
    Began {
        /// In this log.
        epoch: Epoch,
        /// At this place.
        seq: Seq,
        /// Which event.
        id: EventId,
        /// Which delivery.
        attempt: u32,
        /// How many events had come to this subscription until then, itself included.
        number: u64,
    },
    /// A handler succeeded.
    Applied {
        /// In this log.
        epoch: Epoch,
        /// At this place.
        seq: Seq,
        /// Which event.
        id: EventId,
    },
    /// Declared lost.
    Lost {
        /// In this log.
        epoch: Epoch,
        /// What.
        range: SeqRange,
        /// Why.
        reason: LostReason,
    },
    /// The position is void.
    Reset {
        /// The position now.
        position: Position,
    },
    /// The stream is complete.
    Ended,
}
