//! One connection: everything about it that concerns no stream.

use std::collections::VecDeque;

use super::queue::take_next;
use crate::base::{Duration, Instant};
use crate::wire::{
    Ack, ClientFrame, ClientSession, CloseCode, Confirm, ConsumerId, Decoded, ErrorCode, EventConfirmation, Hello,
    MAX_RANGES, Nack, Publish, Resend, ServerFrame, StreamName, Subscribe, decode_client,
};

/// What a connection may do. The defaults are those of section 8 of `PROTOCOL.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a client may take for its `hello`. Default 10 s.
    pub hello_deadline: Duration,
    /// After how much silence the server pings [AW-HEART-1]. Default 25 s.
    pub heartbeat: Duration,
    /// Largest frame from a client, in bytes. Default 256 KiB.
    pub max_frame_bytes: usize,
    /// Most subscriptions at a time. Default 100.
    pub max_subscriptions: usize,
    /// Frames from a client in a second, on average; at least 1. A quick client acks a thousand times a second; the limit
    /// is for floods. Default 5,000.
    pub messages_per_second: u32,
    /// Frames from a client at once; at least 1. Default 10,000.
    pub message_burst: u32,
    /// Publishes from a client in a second, on average; at least 1. More are rejected, and tried again. Default 200.
    pub publishes_per_second: u32,
    /// Publishes from a client at once; at least 1. Default 400.
    pub publish_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hello_deadline: Duration::from_secs(10),
            heartbeat: Duration::from_secs(25),
            max_frame_bytes: 256 * 1024,
            max_subscriptions: 100,
            messages_per_second: 5_000,
            message_burst: 10_000,
            publishes_per_second: 200,
            publish_burst: 400,
        }
    }
}

/// Something for the shell to do, in this order.
#[derive(Debug)]
pub enum Action {
    /// Check who this is, then call [`Connection::handle_accepted`] or [`Connection::handle_refused`]. Until then no
    /// further frame may be handed in.
    Authenticate {
        /// Who confirms; `None` if this refreshes the token of a connection that is open.
        consumer: Option<ConsumerId>,
        /// Which connection of which client it is, if that was said [AW-CONN-5].
        session: Option<ClientSession>,
        /// The token, if there is one.
        token: Option<String>,
    },
    /// Attach a feed. If that is not allowed, call [`Connection::handle_unsubscribed`] and send an `error`.
    Subscribe(Subscribe),
    /// Detach a feed.
    Unsubscribe(StreamName),
    /// For a feed.
    Ack(Ack),
    /// For a feed.
    Nack(Nack),
    /// For a feed.
    ConfirmRequeued(Confirm),
    /// For a feed.
    Resend(Resend),
    /// For one of the feeds.
    Confirm(EventConfirmation),
    /// For the log.
    Publish(Publish),
    /// Send a frame.
    Send(ServerFrame),
    /// Close. Nothing follows.
    Close {
        /// The close code.
        code: CloseCode,
        /// Why, for people; never a token or a payload.
        reason: String,
    },
}

/// The decisions of one connection, sans-IO [section 3 of `PROTOCOL.md`].
///
/// Drain [`poll_action`](Self::poll_action) after each input, then arm one timer at
/// [`poll_timeout`](Self::poll_timeout). Once it has closed, every input is ignored.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    stage: Stage,
    /// Of the frame that waits for its authentication: `hello`'s subscriptions.
    pending: Vec<Subscribe>,
    /// Each once; most connections have one, and a set would have room for eleven.
    subscribed: Vec<StreamName>,
    actions: VecDeque<Action>,
    unknown: u64,
    messages: Bucket,
    publishes: Bucket,
    heard_at: Instant,
    sent_at: Instant,
    /// When the server pinged; reset by any sign of life.
    pinged_at: Option<Instant>,
    hello_due: Option<Instant>,
    token_due: Option<Instant>,
    drain_due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for `hello`.
    New,
    /// `hello` is being checked.
    Checking,
    Open,
    Closed,
}

impl Connection {
    /// The WebSocket has opened.
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self {
            stage: Stage::New,
            pending: Vec::new(),
            subscribed: Vec::new(),
            actions: VecDeque::new(),
            unknown: 0,
            messages: Bucket::new(now, limits.messages_per_second, limits.message_burst),
            publishes: Bucket::new(now, limits.publishes_per_second, limits.publish_burst),
            heard_at: now,
            sent_at: now,
            pinged_at: None,
            hello_due: Some(now + limits.hello_deadline),
            token_due: None,
            drain_due: None,
            limits,
        }
    }

    /// How many frames of unknown type came [AW-CONN-2].
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Whether `welcome` was sent and nothing has closed it.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// A text message came.
    pub fn handle_text(&mut self, now: Instant, text: &str) {
        if !self.hear(now) {
            return;
        }
        if text.len() > self.limits.max_frame_bytes {
            return self.handle_oversized();
        }
        match decode_client(text) {
            Err(error) => self.violate(&error.to_string()),
            Ok(Decoded::Unknown) if self.stage != Stage::Open => self.violate("a frame came before `hello`"),
            Ok(Decoded::Unknown) => self.unknown += 1,
            Ok(Decoded::Frame(ClientFrame::Hello(hello))) if self.stage == Stage::New => self.greet(hello),
            Ok(Decoded::Frame(ClientFrame::Hello(_))) => self.violate("a second `hello` frame"),
            Ok(_) if self.stage != Stage::Open => self.violate("a frame came before `hello`"),
            Ok(Decoded::Publish(publish)) => self.publish(now, publish),
            Ok(Decoded::Frame(frame)) => self.handle_frame(frame),
        }
    }

    /// A binary message came.
    pub fn handle_binary(&mut self, now: Instant) {
        if self.hear(now) {
            self.violate("a binary message");
        }
    }

    /// A message larger than the limit came; it need not have been read.
    pub fn handle_oversized(&mut self) {
        let most = self.limits.max_frame_bytes;
        self.close(CloseCode::TOO_LARGE, format!("a frame has at most {most} bytes"));
    }

    /// The WebSocket layer heard from the client, by a ping or pong of its own. It counts as any message does: a ping
    /// costs an answer.
    pub fn handle_sign_of_life(&mut self, now: Instant) {
        self.hear(now);
    }

    /// The token is good, for so long. `welcome` is sent after a `hello`, and its subscriptions follow; `authenticated`
    /// after an `auth`.
    pub fn handle_accepted(&mut self, now: Instant, expires_in: Option<Duration>, welcome: ServerFrame) {
        match self.stage {
            Stage::Checking => {
                self.stage = Stage::Open;
                self.actions.push_back(Action::Send(welcome));
                self.tell_drain(now);
                let subscriptions = std::mem::take(&mut self.pending);
                subscriptions.into_iter().for_each(|subscribe| self.subscribe(subscribe));
            }
            Stage::Open => {
                let expires_in_ms = expires_in.map(Duration::as_millis);
                self.actions.push_back(Action::Send(ServerFrame::Authenticated { expires_in_ms }));
            }
            Stage::New | Stage::Closed => return,
        }
        self.token_due = expires_in.map(|span| now + span);
    }

    /// The token is not good.
    pub fn handle_refused(&mut self, reason: impl Into<String>) {
        self.close(CloseCode::UNAUTHORIZED, reason);
    }

    /// A feed broke off, or was not allowed.
    pub fn handle_unsubscribed(&mut self, stream: &StreamName) {
        self.subscribed.retain(|subscribed| subscribed != stream);
    }

    /// A feed found that the client broke the protocol.
    pub fn handle_violation(&mut self, violation: &super::Violation) {
        self.violate(&violation.to_string());
    }

    /// A newer connection of the same consumer has taken over [AW-CONN-5].
    pub fn handle_replaced(&mut self) {
        self.close(CloseCode::REPLACED, "replaced by a newer connection of this consumer");
    }

    /// The server is going away [AW-DRAIN]. Who is not welcome yet hears of it after `welcome`, which comes first.
    pub fn handle_drain(&mut self, now: Instant, span: Duration) {
        if self.stage == Stage::Closed || self.drain_due.is_some() {
            return;
        }
        self.drain_due = Some(now + span);
        if self.stage == Stage::Open {
            self.tell_drain(now);
        }
    }

    /// Something was sent.
    pub fn handle_sent(&mut self, now: Instant) {
        self.sent_at = now;
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.drain_due) {
            self.close(CloseCode::DRAINING, "this server is going away");
        } else if self.stage != Stage::Open && is_due(self.hello_due) {
            self.close(CloseCode::HELLO_TIMEOUT, "no `hello` in time");
        } else if is_due(self.token_due) {
            self.close(CloseCode::UNAUTHORIZED, "the token has expired");
        } else if self.stage == Stage::Open && now >= self.heartbeat_due() {
            if self.pinged_at.is_some() {
                self.close(CloseCode::GOING_AWAY, "nothing heard from the client");
            } else {
                self.pinged_at = Some(now);
                self.actions.push_back(Action::Send(ServerFrame::Ping));
            }
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        take_next(&mut self.actions)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Closed => return None,
            Stage::New | Stage::Checking => self.hello_due,
            Stage::Open => Some(self.heartbeat_due()),
        };
        [stage, self.token_due, self.drain_due].into_iter().flatten().min()
    }

    /// Silence on either side brings a ping; silence after it, the end [AW-HEART-2].
    fn heartbeat_due(&self) -> Instant {
        let heartbeat = self.limits.heartbeat;
        match self.pinged_at {
            Some(pinged_at) => (pinged_at + heartbeat).max(self.heard_at + heartbeat.saturating_mul(2)),
            None => self.sent_at.min(self.heard_at) + heartbeat,
        }
    }

    fn tell_drain(&mut self, now: Instant) {
        let Some(due) = self.drain_due else { return };
        let reconnect_in_ms = u32::try_from((due - now).as_millis()).unwrap_or(u32::MAX);
        self.actions.push_back(Action::Send(ServerFrame::Drain { reconnect_in_ms }));
    }

    fn greet(&mut self, hello: Hello) {
        // Before anything comes of any of them.
        if let Some(index) = hello.subscriptions.iter().position(has_too_many_ranges) {
            return self.violate(&format!("invalid `hello` frame: `subscriptions[{index}].also` has too many ranges"));
        }
        self.stage = Stage::Checking;
        self.pending = hello.subscriptions;
        let Hello { consumer, session, token, .. } = hello;
        self.actions.push_back(Action::Authenticate { consumer: Some(consumer), session, token });
    }

    fn handle_frame(&mut self, frame: ClientFrame) {
        let action = match frame {
            ClientFrame::Hello(_) | ClientFrame::Pong => return,
            ClientFrame::Subscribe(subscribe) => return self.subscribe(subscribe),
            ClientFrame::Unsubscribe { stream } => {
                self.handle_unsubscribed(&stream);
                Action::Unsubscribe(stream)
            }
            ClientFrame::Ack(ack) => Action::Ack(ack),
            ClientFrame::Nack(nack) => Action::Nack(nack),
            ClientFrame::Confirm(confirm) => Action::ConfirmRequeued(confirm),
            ClientFrame::Resend(resend) => Action::Resend(resend),
            ClientFrame::EventConfirmation(confirmation) => Action::Confirm(confirmation),
            ClientFrame::Auth { token } => Action::Authenticate { consumer: None, session: None, token: Some(token) },
            ClientFrame::Ping => Action::Send(ServerFrame::Pong),
        };
        self.actions.push_back(action);
    }

    fn subscribe(&mut self, subscribe: Subscribe) {
        if has_too_many_ranges(&subscribe) {
            return self.violate("invalid `subscribe` frame: `also` has too many ranges");
        }
        let (most, is_known) = (self.limits.max_subscriptions, self.subscribed.contains(&subscribe.stream));
        if self.subscribed.len() >= most && !is_known {
            self.actions.push_back(Action::Send(ServerFrame::Error {
                code: ErrorCode::TooManySubscriptions,
                message: format!("a connection has at most {most} subscriptions"),
                stream: Some(subscribe.stream.into()),
            }));
            return;
        }
        if !is_known {
            self.subscribed.reserve_exact(1);
            self.subscribed.push(subscribe.stream.clone());
        }
        self.actions.push_back(Action::Subscribe(subscribe));
    }

    fn publish(&mut self, now: Instant, publish: Publish) {
        if self.publishes.take(now) {
            return self.actions.push_back(Action::Publish(publish));
        }
        self.actions.push_back(Action::Send(ServerFrame::Rejected {
            id: publish.id.into(),
            stream: publish.stream.into(),
            code: ErrorCode::TooManyRequests,
            message: format!("more than {} publishes a second", self.limits.publishes_per_second),
        }));
    }

    /// Takes note of a message. `false` if it is to be ignored.
    fn hear(&mut self, now: Instant) -> bool {
        if self.stage == Stage::Closed {
            return false;
        }
        self.heard_at = now;
        self.pinged_at = None;
        if !self.messages.take(now) {
            let rate = self.limits.messages_per_second;
            self.close(CloseCode::TOO_MANY_REQUESTS, format!("more than {rate} messages a second"));
            return false;
        }
        true
    }

    fn violate(&mut self, reason: &str) {
        self.close(CloseCode::PROTOCOL_VIOLATION, reason);
    }

    fn close(&mut self, code: CloseCode, reason: impl Into<String>) {
        if self.stage != Stage::Closed {
            self.stage = Stage::Closed;
            self.actions.push_back(Action::Close { code, reason: reason.into() });
        }
    }
}

fn has_too_many_ranges(subscribe: &Subscribe) -> bool {
    subscribe.also.len() > MAX_RANGES
}

/// A token bucket, in thousandths of a message: so many at once, so many a second on average.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: u64,
    most: u64,
    left: u64,
    filled_at: Instant,
}

impl Bucket {
    const MESSAGE: u64 = 1000;

    /// A full one; each number is at least 1.
    pub fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let most = u64::from(burst.max(1)) * Self::MESSAGE;
        Self { per_second: per_second.max(1).into(), most, left: most, filled_at: now }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        // Per second and per thousand cancel out: a millisecond brings `per_second` thousandths.
        let come = (now - self.filled_at).as_millis().saturating_mul(self.per_second);
        self.left = self.left.saturating_add(come).min(self.most);
        self.filled_at = now;
        let has_one = self.left >= Self::MESSAGE;
        if has_one {
            self.left -= Self::MESSAGE;
        }
        has_one
    }
}
