//! The connection: when to open it, when it is dead, when to try again.

use super::output::Outputs;
use super::{Config, Notice, Phrase, SocketId, State, StateReason, Transmit, Trouble};
use crate::base::{Duration, Instant, Rng, sooner};
use crate::wire::{ClientFrame, CloseCode, Text, Welcome};

/// A connection that lasted this long counts as good [AW-RETRY].
const PROVEN_AFTER: Duration = Duration::from_secs(5);
/// The least pause after 4429.
const PAUSE: Duration = Duration::from_secs(5);
/// How long until a refresh that failed is tried again.
const REFRESH_AGAIN: Duration = Duration::from_secs(5);
/// How many refusals of a token are terminal [AW-AUTH-1].
const MAX_REFUSALS: u32 = 3;

#[derive(Debug)]
enum Phase {
    Idle,
    Closed,
    Failed,
    Waiting {
        due: Instant,
    },
    /// The application is asked for a token.
    Token {
        deadline: Instant,
    },
    /// The socket opens.
    Opening {
        socket: SocketId,
        deadline: Instant,
    },
    /// `hello` is sent.
    Greeting {
        socket: SocketId,
        deadline: Instant,
    },
    Up(Up),
}

#[derive(Debug)]
struct Up {
    socket: SocketId,
    since: Instant,
    heartbeat: Duration,
    last_heard: Instant,
    /// Whether an event has come.
    proven: bool,
    /// Timer: the answer to a ping is due.
    probe_due: Option<Instant>,
    /// Timer: the token wants replacing.
    refresh_due: Option<Instant>,
    /// Timer: leave the server that drains.
    drain_due: Option<Instant>,
}

impl Up {
    /// When silence becomes suspicious [AW-HEART-2].
    fn ping_due(&self) -> Instant {
        self.last_heard + Duration::from_millis(self.heartbeat.as_millis().saturating_mul(3) / 2)
    }
}

/// The connection's state machine. Its outputs go to the session's; `generation` tells the session that the
/// connection is another one.
#[derive(Debug)]
pub(super) struct Link {
    phase: Phase,
    next_socket: SocketId,
    /// Failed tries in a row.
    failures: u32,
    /// Refused tokens in a row, with no `welcome` between.
    refusals: u32,
    token: Option<Text>,
}

impl Link {
    pub const fn new() -> Self {
        Self { phase: Phase::Idle, next_socket: 1, failures: 0, refusals: 0, token: None }
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Closed => State::Closed,
            Phase::Failed => State::Failed,
            Phase::Waiting { .. } => State::Waiting,
            Phase::Token { .. } | Phase::Opening { .. } | Phase::Greeting { .. } => State::Connecting,
            Phase::Up(_) => State::Connected,
        }
    }

    /// The socket that is welcomed, if any.
    pub fn up(&self) -> Option<SocketId> {
        match &self.phase {
            Phase::Up(up) => Some(up.socket),
            _ => None,
        }
    }

    /// Whether these are words of the newest socket [AW-CONN-6].
    pub fn is_current(&self, socket: SocketId) -> bool {
        self.socket() == Some(socket)
    }

    pub fn is_greeting(&self) -> bool {
        matches!(self.phase, Phase::Greeting { .. })
    }

    /// The token for `hello`.
    pub fn token(&self) -> Option<Text> {
        self.token.clone()
    }

    // --- the application ---

    pub fn connect<P>(&mut self, now: Instant, config: &Config, out: &mut Outputs<P>) {
        match self.phase {
            Phase::Idle | Phase::Closed | Phase::Failed | Phase::Waiting { .. } => {
                self.failures = 0;
                self.refusals = 0;
                self.try_now(now, StateReason::Application, config, out);
            }
            _ => {}
        }
    }

    pub fn close<P>(&mut self, out: &mut Outputs<P>) {
        self.close_socket(CloseCode::NORMAL, Phrase::Nothing, out);
        self.enter(Phase::Closed, StateReason::Application, None, out);
    }

    pub fn handle_token<P>(&mut self, token: Option<Text>, config: &Config, out: &mut Outputs<P>) {
        self.token = token;
        match &mut self.phase {
            Phase::Token { deadline } => {
                let deadline = *deadline;
                self.open(deadline, out);
            }
            Phase::Up(up) if config.has_token => {
                if let Some(token) = self.token.clone() {
                    out.frame(up.socket, ClientFrame::Auth { token });
                }
            }
            _ => {}
        }
    }

    pub fn handle_token_failed<P>(
        &mut self,
        now: Instant,
        message: Text,
        config: &Config,
        rng: &mut Rng,
        out: &mut Outputs<P>,
    ) {
        let told = message.clone();
        match &mut self.phase {
            Phase::Token { .. } => {
                self.retry(now, StateReason::TokenFailed { message }, Duration::ZERO, config, rng, out);
            }
            Phase::Up(up) => up.refresh_due = Some(now + REFRESH_AGAIN),
            _ => return,
        }
        out.notice(Notice::Error { code: Trouble::TokenFailed, message: told, subscription: None });
    }

    // --- the network ---

    /// Whether `hello` is to be sent.
    pub fn handle_open(&mut self, socket: SocketId) -> bool {
        match self.phase {
            Phase::Opening { socket: opening, deadline } if opening == socket => {
                self.phase = Phase::Greeting { socket, deadline };
                true
            }
            _ => false,
        }
    }

    pub fn handle_welcome<P>(&mut self, now: Instant, welcome: &Welcome, config: &Config, out: &mut Outputs<P>) {
        let Phase::Greeting { socket, .. } = self.phase else { return };
        self.refusals = 0;
        let refresh_due = refresh_due(now, welcome.token_expires_in_ms).filter(|_| config.has_token);
        let up = Up {
            socket,
            since: now,
            heartbeat: Duration::from_millis(u64::from(welcome.heartbeat_ms)),
            last_heard: now,
            proven: false,
            probe_due: None,
            refresh_due,
            drain_due: None,
        };
        self.enter(Phase::Up(up), StateReason::Welcome, None, out);
    }

    pub fn handle_authenticated(&mut self, now: Instant, expires_in_ms: Option<u64>) {
        if let Phase::Up(up) = &mut self.phase {
            up.refresh_due = refresh_due(now, expires_in_ms);
        }
    }

    pub fn handle_drain(&mut self, now: Instant, within: Duration, rng: &mut Rng) {
        if let Phase::Up(up) = &mut self.phase {
            up.drain_due = Some(now + Duration::from_millis(rng.up_to(within.as_millis())));
        }
    }

    /// Any frame is a sign of life; an event is a sign of a good connection.
    pub fn heard(&mut self, now: Instant, event: bool) {
        if let Phase::Up(up) = &mut self.phase {
            up.last_heard = now;
            up.probe_due = None;
            up.proven |= event;
        }
    }

    pub fn handle_closed<P>(
        &mut self,
        now: Instant,
        (code, why): (u16, Text),
        config: &Config,
        rng: &mut Rng,
        out: &mut Outputs<P>,
    ) {
        let closed = StateReason::SocketClosed { code, reason: why.clone() };
        let error = |out: &mut Outputs<P>, code: Trouble| {
            out.notice(Notice::Error { code, message: why, subscription: None });
        };
        match CloseCode(code) {
            code if code.is_terminal() => self.enter(Phase::Failed, closed, None, out),
            CloseCode::UNAUTHORIZED => {
                self.refusals += 1;
                if self.refusals >= MAX_REFUSALS {
                    self.enter(Phase::Failed, StateReason::TokenRefused, None, out);
                } else {
                    self.retry(now, closed, Duration::ZERO, config, rng, out);
                }
            }
            CloseCode::TOO_MANY_REQUESTS => self.retry(now, closed, PAUSE, config, rng, out),
            other => {
                match other {
                    CloseCode::PROTOCOL_VIOLATION => error(out, Trouble::ProtocolViolation),
                    CloseCode::TOO_LARGE => error(out, Trouble::FrameTooLarge),
                    _ => {}
                }
                self.retry(now, closed, Duration::ZERO, config, rng, out);
            }
        }
    }

    /// The connection is of no more use: closes it and tries again.
    pub fn abandon<P>(
        &mut self,
        now: Instant,
        code: CloseCode,
        reason: StateReason,
        config: &Config,
        rng: &mut Rng,
        out: &mut Outputs<P>,
    ) {
        self.close_socket(code, reason.phrase(), out);
        self.retry(now, reason, Duration::ZERO, config, rng, out);
    }

    /// `online`, visible, `pageshow` [AW-HEART-3].
    pub fn handle_wake<P>(&mut self, now: Instant, config: &Config, out: &mut Outputs<P>) {
        match &mut self.phase {
            Phase::Waiting { .. } => self.try_now(now, StateReason::Wake, config, out),
            Phase::Up(up) => probe(up, now, config, out),
            _ => {}
        }
    }

    // --- time ---

    pub fn handle_timeout<P>(&mut self, now: Instant, config: &Config, rng: &mut Rng, out: &mut Outputs<P>) {
        match &mut self.phase {
            Phase::Waiting { due } if *due <= now => self.try_now(now, StateReason::Retry, config, out),
            Phase::Token { deadline } | Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. }
                if *deadline <= now =>
            {
                self.abandon(now, CloseCode::NORMAL, StateReason::ConnectTimeout, config, rng, out);
            }
            Phase::Up(up) => {
                if up.probe_due.is_some_and(|due| due <= now) {
                    return self.abandon(now, CloseCode::NORMAL, StateReason::Silent, config, rng, out);
                }
                if up.drain_due.is_some_and(|due| due <= now) {
                    self.close_socket(CloseCode::NORMAL, StateReason::Drain.phrase(), out);
                    return self.try_now(now, StateReason::Drain, config, out);
                }
                if up.ping_due() <= now {
                    probe(up, now, config, out);
                }
                if up.refresh_due.take_if(|due| *due <= now).is_some() {
                    out.transmits.push_back(Transmit::Token);
                }
            }
            _ => {}
        }
    }

    pub fn next_due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle | Phase::Closed | Phase::Failed => None,
            Phase::Waiting { due } => Some(*due),
            Phase::Token { deadline } | Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } => {
                Some(*deadline)
            }
            Phase::Up(up) => {
                let silence = up.probe_due.unwrap_or(up.ping_due());
                sooner(Some(silence), sooner(up.refresh_due, up.drain_due))
            }
        }
    }

    // --- transitions ---

    fn try_now<P>(&mut self, now: Instant, reason: StateReason, config: &Config, out: &mut Outputs<P>) {
        let deadline = now + config.connect_timeout;
        self.enter(Phase::Token { deadline }, reason, None, out);
        if config.has_token {
            out.transmits.push_back(Transmit::Token);
        } else {
            self.open(deadline, out);
        }
    }

    fn open<P>(&mut self, deadline: Instant, out: &mut Outputs<P>) {
        let socket = self.next_socket;
        self.next_socket += 1;
        self.phase = Phase::Opening { socket, deadline };
        out.transmits.push_back(Transmit::Open { socket });
    }

    fn retry<P>(
        &mut self,
        now: Instant,
        reason: StateReason,
        at_least: Duration,
        config: &Config,
        rng: &mut Rng,
        out: &mut Outputs<P>,
    ) {
        if let Phase::Up(up) = &self.phase
            && (up.proven || now.since(up.since) >= PROVEN_AFTER)
        {
            self.failures = 0;
        }
        if config.max_tries.is_some_and(|max| self.failures >= max) {
            return self.enter(Phase::Failed, StateReason::TriesExhausted, None, out);
        }
        let wait = config.reconnect.delay(self.failures, rng).max(at_least);
        self.failures = self.failures.saturating_add(1);
        self.enter(Phase::Waiting { due: now + wait }, reason, Some(wait), out);
    }

    fn enter<P>(&mut self, phase: Phase, reason: StateReason, retry_in: Option<Duration>, out: &mut Outputs<P>) {
        let previous = self.state();
        self.phase = phase;
        let current = self.state();
        if current != previous {
            out.notice(Notice::State { current, previous, reason, retry_in });
        }
    }

    fn close_socket<P>(&mut self, code: CloseCode, reason: Phrase, out: &mut Outputs<P>) {
        if let Some(socket) = self.socket() {
            out.transmits.push_back(Transmit::Close { socket, code: code.0, reason });
        }
    }

    fn socket(&self) -> Option<SocketId> {
        match &self.phase {
            Phase::Opening { socket, .. } | Phase::Greeting { socket, .. } => Some(*socket),
            Phase::Up(up) => Some(up.socket),
            _ => None,
        }
    }
}

fn probe<P>(up: &mut Up, now: Instant, config: &Config, out: &mut Outputs<P>) {
    if up.probe_due.is_none() {
        up.probe_due = Some(now + config.probe_timeout);
        out.frame(up.socket, ClientFrame::Ping);
    }
}

/// At 80 % of the token's life, but not more often than once a second [AW-AUTH-2].
fn refresh_due(now: Instant, expires_in_ms: Option<u64>) -> Option<Instant> {
    expires_in_ms.map(|life| now + Duration::from_millis((life / 5).saturating_mul(4).max(1000)))
}
