//! What a session wants done, and what the application is told.

use std::collections::VecDeque;

use super::{Phrase, SocketId, SubscriptionId};
use crate::base::Duration;
use crate::wire::{ClientFrame, Epoch, ErrorCode, EventId, LostReason, Position, Seq, SeqRange, StreamName, Text};

/// What the shell does for the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Transmit<P> {
    /// Ask the application for a token; answer with `handle_token` or `handle_token_failed`.
    Token,
    /// Open a socket; answer with `handle_open` or `handle_closed`.
    Open {
        /// Its name from now on.
        socket: SocketId,
    },
    /// Send a frame.
    Frame {
        /// On this socket.
        socket: SocketId,
        /// What to send.
        frame: ClientFrame,
    },
    /// Send an application's message.
    Publish {
        /// On this socket.
        socket: SocketId,
        /// What `publish` was given.
        message: P,
    },
    /// Close a socket. No `handle_closed` is awaited; one that comes is inert.
    Close {
        /// Which socket.
        socket: SocketId,
        /// 1000, or 4400 for a server that broke the protocol.
        code: u16,
        /// Which of our words says why.
        reason: Phrase,
    },
}

/// How a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not asked to connect yet.
    Idle,
    /// A try is under way.
    Connecting,
    /// Welcomed by the server.
    Connected,
    /// Waits for its next try.
    Waiting,
    /// Closed by the application.
    Closed,
    /// Given up; only `connect` begins anew.
    Failed,
}

/// Why a state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateReason {
    /// The application asked for it.
    Application,
    /// The server welcomed the client.
    Welcome,
    /// The time to try again has come.
    Retry,
    /// `online`, a visible page, or `pageshow`.
    Wake,
    /// The socket was closed.
    SocketClosed {
        /// The close code.
        code: u16,
        /// What the server said.
        reason: Text,
    },
    /// Nothing was heard, a probe included.
    Silent,
    /// No `welcome` in time.
    ConnectTimeout,
    /// The token callback failed.
    TokenFailed {
        /// What it said.
        message: Text,
    },
    /// The server refused the token three times in a row.
    TokenRefused,
    /// The limit of tries was met.
    TriesExhausted,
    /// The server is going away.
    Drain,
    /// The server broke the protocol.
    ServerMisbehaved {
        /// How.
        detail: Text,
    },
    /// A gap stayed although it was asked for.
    GapStuck,
}

impl StateReason {
    /// Its place among all of them.
    pub const fn index(&self) -> u8 {
        match self {
            Self::Application => 0,
            Self::Welcome => 1,
            Self::Retry => 2,
            Self::Wake => 3,
            Self::SocketClosed { .. } => 4,
            Self::Silent => 5,
            Self::ConnectTimeout => 6,
            Self::TokenFailed { .. } => 7,
            Self::TokenRefused => 8,
            Self::TriesExhausted => 9,
            Self::Drain => 10,
            Self::ServerMisbehaved { .. } => 11,
            Self::GapStuck => 12,
        }
    }

    /// A stable name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Welcome => "welcome",
            Self::Retry => "retry",
            Self::Wake => "wake",
            Self::SocketClosed { .. } => "socket_closed",
            Self::Silent => "silent",
            Self::ConnectTimeout => "connect_timeout",
            Self::TokenFailed { .. } => "token_failed",
            Self::TokenRefused => "token_refused",
            Self::TriesExhausted => "tries_exhausted",
            Self::Drain => "drain",
            Self::ServerMisbehaved { .. } => "server_misbehaved",
            Self::GapStuck => "gap_stuck",
        }
    }
}

/// What kind of trouble a [`Notice::Error`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server answered with this code.
    Answer(ErrorCode),
    /// The server broke the protocol.
    ServerMisbehaved,
    /// The server says that we broke it.
    ProtocolViolation,
    /// A frame of ours was larger than the server takes.
    FrameTooLarge,
    /// The application has no token.
    TokenFailed,
}

impl Trouble {
    /// A stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer(code) => code.as_str(),
            Self::ServerMisbehaved => "server_misbehaved",
            Self::ProtocolViolation => "protocol_violation",
            Self::FrameTooLarge => "frame_too_large",
            Self::TokenFailed => "token_failed",
        }
    }
}

/// What the application is told, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice<P> {
    /// Hand `events[start..end]` of the frame to the handlers, in order, and settle each.
    Deliver {
        /// Of which subscription.
        subscription: SubscriptionId,
        /// The frame's events, as `handle_events` was given them.
        payload: P,
        /// First index.
        start: u32,
        /// One past the last index.
        end: u32,
    },
    /// The connection's state has changed.
    State {
        /// What it is.
        current: State,
        /// What it was.
        previous: State,
        /// Why.
        reason: StateReason,
        /// When the next try is due, while [`State::Waiting`].
        retry_in: Option<Duration>,
    },
    /// The server has stated where the feed begins.
    Subscribed {
        /// Which subscription.
        subscription: SubscriptionId,
        /// Which log.
        epoch: Epoch,
        /// After which seq it begins.
        after: Seq,
        /// The end of the log.
        head: Seq,
        /// Up to where events are history.
        replayed_upto: Seq,
    },
    /// Something is missing and was asked for.
    Gap {
        /// In which subscription.
        subscription: SubscriptionId,
        /// What.
        range: SeqRange,
    },
    /// What was missing has come.
    Repaired {
        /// In which subscription.
        subscription: SubscriptionId,
        /// What.
        range: SeqRange,
    },
    /// This will never come. Events in it that are queued or running are given up.
    Lost {
        /// In which subscription.
        subscription: SubscriptionId,
        /// What.
        range: SeqRange,
        /// Why.
        reason: LostReason,
    },
    /// The old position is void; the feed begins at the new one. Everything queued or running is given up.
    Reset {
        /// In which subscription.
        subscription: SubscriptionId,
        /// The position that is void.
        void: Position,
        /// The position now.
        position: Position,
    },
    /// The stream is complete, and everything in it is accounted for.
    Ended {
        /// Which subscription.
        subscription: SubscriptionId,
        /// The end.
        seq: Seq,
    },
    /// A publish is in the log.
    Published {
        /// Its id.
        id: EventId,
        /// Which stream.
        stream: StreamName,
        /// Where.
        seq: Seq,
        /// Whether the log had it already.
        duplicate: bool,
    },
    /// A publish was refused for good.
    Rejected {
        /// Its id.
        id: EventId,
        /// Which stream.
        stream: StreamName,
        /// Why.
        code: ErrorCode,
        /// In words.
        message: Text,
    },
    /// A request failed, or a peer misbehaved; what it means for the connection comes as `State`.
    Error {
        /// What kind of trouble.
        code: Trouble,
        /// In words.
        message: Text,
        /// The subscription concerned.
        subscription: Option<SubscriptionId>,
    },
    /// Everything settled before `flush` is acked, everything published is answered.
    Flushed,
}

/// What a session has to say, in order.
#[derive(Debug)]
pub(super) struct Outputs<P> {
    pub transmits: VecDeque<Transmit<P>>,
    pub notices: VecDeque<Notice<P>>,
    /// How many `nack` frames there were.
    pub nacks: u64,
}

impl<P> Outputs<P> {
    pub const fn new() -> Self {
        Self { transmits: VecDeque::new(), notices: VecDeque::new(), nacks: 0 }
    }

    pub fn notice(&mut self, notice: Notice<P>) {
        self.notices.push_back(notice);
    }

    pub fn frame(&mut self, socket: SocketId, frame: ClientFrame) {
        self.nacks += u64::from(matches!(frame, ClientFrame::Nack(_)));
        self.transmits.push_back(Transmit::Frame { socket, frame });
    }
}
