//! One client: a connection, its subscriptions, its outbox.

use std::fmt;

use super::checkpoint::Checkpoint;
use super::link::Link;
use super::outbox::Outbox;
use super::output::Outputs;
use super::subscription::{Context, Fault, Subscription, Word};
use super::{
    Batch, Config, Footprint, Notice, Outcome, Phrase, Positions, SocketId, State, StateReason, Stats,
    SubscribeOptions, SubscriptionId, Transmit, Trouble,
};
use crate::base::{Duration, Instant, Rng, sooner};
use crate::wire::{
    ClientFrame, ClientSession, CloseCode, ErrorCode, EventId, From, GivenStreamRef, Hello, Seq, SeqRange, ServerFrame,
    StreamName, Text, Welcome,
};

/// A client, sans-IO. `P` is a handle to what the core never looks into: an `events` frame's events, a publish's text.
///
/// After each input drain `poll_transmit`, `poll_notice` and `poll_checkpoint` until they return `None`, then arm one
/// timer for `poll_timeout`. Inputs take the time; it may stand still but not step back. What comes from a socket that is
/// not the newest is inert.
pub struct Session<P> {
    config: Config,
    rng: Rng,
    link: Link,
    subscriptions: Vec<Subscription<P>>,
    next_subscription: SubscriptionId,
    /// Streams whose `subscribe` was given up before its answer came: so many answers are not for us.
    unanswered: Vec<StreamName>,
    outbox: Outbox<P>,
    max_frame_bytes: usize,
    checkpoint: Checkpoint,
    checkpoint_changed: bool,
    /// Timer: the checkpoint has changed, and is told although no ack goes out.
    checkpoint_due: Option<Instant>,
    /// Not before then.
    checkpoint_next: Instant,
    flush_asked: bool,
    out: Outputs<P>,
    stats: Stats,
}

/// Why a subscription was refused. Whose fault: the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// This session has the stream already.
    AlreadySubscribed,
    /// [`Config::max_subscriptions`] are there.
    TooMany,
}

/// Why a publish was refused. Whose fault: the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// [`Config::max_outbox`] wait for their answers.
    OutboxFull,
    /// The same id waits for its answer.
    Duplicate,
    /// The message is larger than what the server takes.
    TooLarge,
}

impl<P: Clone> Session<P> {
    /// A client that does nothing yet. `checkpoint` is what an earlier life of the page kept, `seed` makes the jitter.
    pub fn new(config: Config, checkpoint: Checkpoint, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            link: Link::new(),
            subscriptions: Vec::new(),
            next_subscription: 1,
            unanswered: Vec::new(),
            outbox: Outbox::new(),
            max_frame_bytes: usize::MAX,
            checkpoint,
            checkpoint_changed: false,
            checkpoint_due: None,
            checkpoint_next: Instant::default(),
            flush_asked: false,
            out: Outputs::new(),
            stats: Stats::default(),
        }
    }

    // --- the application ---

    /// Connects now. Does nothing while a connection is there or under way.
    pub fn connect(&mut self, now: Instant) {
        self.link.connect(now, &self.config, &mut self.out);
    }

    /// Acks what is settled, then closes. `connect` begins anew.
    pub fn close(&mut self, now: Instant) {
        self.flush_acks(now, true);
        self.tell_checkpoint(now);
        self.link.close(&mut self.out);
        self.finish(now);
    }

    /// Acks what is settled at once; [`Notice::Flushed`] comes when that is sent and every publish is answered.
    pub fn flush(&mut self, now: Instant) {
        self.flush_asked = true;
        self.flush_acks(now, true);
        self.tell_checkpoint(now);
        self.finish(now);
    }

    /// Subscribes, at once or with the next connection.
    pub fn subscribe(&mut self, now: Instant, options: SubscribeOptions) -> Result<SubscriptionId, SubscribeError> {
        if self.subscriptions.iter().any(|held| *held.stream() == options.stream) {
            return Err(SubscribeError::AlreadySubscribed);
        }
        if self.subscriptions.len() >= self.config.max_subscriptions {
            return Err(SubscribeError::TooMany);
        }
        if !matches!(options.from, From::Resume) {
            self.checkpoint.remove(&options.stream);
        }
        let id = self.next_subscription;
        self.next_subscription += 1;
        let mut subscription = Subscription::new(id, options, &self.config);
        if let Some(socket) = self.link.up() {
            let ask = subscription.ask(self.checkpoint.get(subscription.stream()));
            self.out.frame(socket, ClientFrame::Subscribe(ask));
        }
        self.subscriptions.push(subscription);
        self.finish(now);
        Ok(id)
    }

    /// Acks what is settled and ends the subscription. What is settled later is not heard.
    pub fn unsubscribe(&mut self, now: Instant, subscription: SubscriptionId) {
        self.flush_acks(now, true);
        // Whoever subscribes again gets nothing again, even if no ack has told of it.
        self.update_checkpoint(now);
        let Some(index) = self.subscriptions.iter().position(|held| held.id() == subscription) else { return };
        let gone = self.subscriptions.remove(index);
        if gone.is_asked() {
            self.unanswered.push(gone.stream().clone());
        }
        if let Some(socket) = self.link.up() {
            self.out.frame(socket, ClientFrame::Unsubscribe { stream: gone.stream().clone() });
        }
        self.finish(now);
    }

    /// All handlers of a delivery are done. Harmless if it was settled before, or given up.
    pub fn settle(&mut self, now: Instant, subscription: SubscriptionId, seq: Seq, attempt: u32, outcome: Outcome) {
        self.with(now, subscription, |subscription, cx| subscription.settle(seq, attempt, outcome, cx));
        self.finish(now);
    }

    /// Everything that runs in the range is confirmed: one call for a run of events.
    pub fn settle_run(&mut self, now: Instant, subscription: SubscriptionId, range: SeqRange) {
        self.with(now, subscription, |subscription, cx| subscription.settle_run(range, cx));
        self.finish(now);
    }

    /// Sends an event to a stream, and again until the server has answered. `message` is the finished `publish` frame and
    /// `bytes` its length.
    pub fn publish(
        &mut self,
        now: Instant,
        (id, stream): (EventId, StreamName),
        message: P,
        bytes: usize,
    ) -> Result<(), PublishError> {
        if self.outbox.len() >= self.config.max_outbox {
            return Err(PublishError::OutboxFull);
        }
        if self.outbox.contains(&stream, &id) {
            return Err(PublishError::Duplicate);
        }
        if bytes > self.max_frame_bytes {
            return Err(PublishError::TooLarge);
        }
        self.outbox.push(id, stream, message, bytes);
        self.finish(now);
        Ok(())
    }

    /// The application's answer to [`Transmit::Token`].
    pub fn handle_token(&mut self, now: Instant, token: Option<Text>) {
        self.link.handle_token(token, &self.config, &mut self.out);
        self.finish(now);
    }

    /// The application has no answer to [`Transmit::Token`].
    pub fn handle_token_failed(&mut self, now: Instant, message: Text) {
        self.link.handle_token_failed(now, message, &self.config, &mut self.rng, &mut self.out);
        self.finish(now);
    }

    // --- the network ---

    /// A socket is open.
    pub fn handle_open(&mut self, now: Instant, socket: SocketId) {
        if self.link.handle_open(socket) {
            self.unanswered.clear();
            let checkpoint = &self.checkpoint;
            let asks = self.subscriptions.iter_mut().map(|held| held.ask(checkpoint.get(held.stream()))).collect();
            let hello = Hello {
                consumer: self.config.consumer.clone(),
                session: self.config.session.clone().map(|ClientSession { id, connection: before }| {
                    let connection = before + u64::from(socket);
                    ClientSession { id, connection }
                }),
                token: self.link.token(),
                agent: self.config.agent.clone(),
                subscriptions: asks,
            };
            self.out.frame(socket, ClientFrame::Hello(hello));
        }
        self.finish(now);
    }

    /// An `events` frame: the hot path.
    pub fn handle_events(&mut self, now: Instant, socket: SocketId, stream: &GivenStreamRef, batch: Batch<'_, P>) {
        if self.link.up() != Some(socket) {
            self.stats.stale_frames += 1;
            return;
        }
        self.link.heard(now, !batch.heads.is_empty());
        self.arrived(now, socket, stream, Word::Events(batch));
        self.finish(now);
    }

    /// Any other frame.
    pub fn handle_frame(&mut self, now: Instant, socket: SocketId, frame: ServerFrame) {
        if !self.link.is_current(socket) {
            self.stats.stale_frames += 1;
            return;
        }
        self.link.heard(now, false);
        match (frame, self.link.up()) {
            (ServerFrame::Welcome(welcome), None) if self.link.is_greeting() => self.welcomed(now, socket, &welcome),
            (ServerFrame::Welcome(_), _) => self.misbehaved(now, Phrase::SecondWelcome),
            (ServerFrame::Error { code, message, stream }, _) => {
                self.failed(now, code, message, stream.as_ref().map(AsRef::as_ref))
            }
            (_, None) => self.misbehaved(now, Phrase::BeforeWelcome),
            (frame, Some(socket)) => self.control(now, socket, frame),
        }
        self.finish(now);
    }

    /// A text that is no valid frame.
    pub fn handle_invalid(&mut self, now: Instant, socket: SocketId, detail: impl Into<Text>) {
        if self.link.is_current(socket) {
            self.misbehaved(now, detail);
        }
        self.finish(now);
    }

    /// A frame of a type that this version does not know [AW-CONN-2].
    pub fn handle_unknown(&mut self, now: Instant, socket: SocketId) {
        if self.link.is_current(socket) {
            self.link.heard(now, false);
            self.stats.unknown_frames += 1;
        }
    }

    /// A socket is closed, or could not be opened (1006).
    pub fn handle_closed(&mut self, now: Instant, socket: SocketId, code: u16, reason: impl Into<Text>) {
        if self.link.is_current(socket) {
            self.link.handle_closed(now, (code, reason.into()), &self.config, &mut self.rng, &mut self.out);
        }
        self.finish(now);
    }

    /// The network is back, the page is visible, or it was shown again [AW-HEART-3].
    pub fn handle_wake(&mut self, now: Instant) {
        self.link.handle_wake(now, &self.config, &mut self.out);
        self.finish(now);
    }

    /// The page hides, perhaps for good: acks what is settled [AW-ACK-3].
    pub fn handle_hide(&mut self, now: Instant) {
        self.flush_acks(now, true);
        self.update_checkpoint(now);
        self.tell_checkpoint(now);
        self.finish(now);
    }

    // --- time ---

    /// The time of `poll_timeout` has come. Early and late calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now, &self.config, &mut self.rng, &mut self.out);
        if self.checkpoint_due.is_some_and(|due| due <= now) {
            self.tell_checkpoint(now);
        }
        if let Some(socket) = self.link.up() {
            let mut cx = Context { now, socket, config: &self.config, out: &mut self.out };
            let fault = self.subscriptions.iter_mut().find_map(|held| held.handle_timeout(&mut cx).err());
            for held in self.subscriptions.iter_mut().filter(|held| held.is_ask_due(now)) {
                let ask = held.ask(self.checkpoint.get(held.stream()));
                self.out.frame(socket, ClientFrame::Subscribe(ask));
            }
            self.fault(now, fault);
        }
        self.finish(now);
    }

    /// When `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut due = sooner(self.link.next_due(), self.checkpoint_due);
        if self.link.up().is_some() {
            due = sooner(due, self.outbox.next_due());
            for held in &self.subscriptions {
                due = sooner(due, held.next_due());
            }
        }
        due
    }

    // --- outputs ---

    /// What is to be done, in order.
    pub fn poll_transmit(&mut self) -> Option<Transmit<P>> {
        self.out.transmits.pop_front()
    }

    /// What the application is to be told, in order.
    pub fn poll_notice(&mut self) -> Option<Notice<P>> {
        self.out.notices.pop_front()
    }

    /// What to keep for the page's next life, if it has changed.
    pub fn poll_checkpoint(&mut self) -> Option<&Checkpoint> {
        std::mem::take(&mut self.checkpoint_changed).then_some(&self.checkpoint)
    }

    // --- snapshots ---

    /// How the client stands.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// The three positions of a subscription.
    pub fn position(&self, subscription: SubscriptionId) -> Option<Positions> {
        self.subscriptions.iter().find(|held| held.id() == subscription).map(Subscription::positions)
    }

    /// What a subscription keeps in memory.
    pub fn footprint(&self, subscription: SubscriptionId) -> Option<Footprint> {
        self.subscriptions.iter().find(|held| held.id() == subscription).map(Subscription::footprint)
    }

    /// Everything that is counted.
    pub fn stats(&self) -> Stats {
        Stats {
            nacks: self.out.nacks,
            outbox: self.outbox.len() as u32,
            subscriptions: self.subscriptions.iter().map(Subscription::stats).collect(),
            ..self.stats.clone()
        }
    }

    /// How many frames of a stream are held behind a gap.
    pub fn held_frames(&self, stream: &GivenStreamRef) -> usize {
        let held = self.subscriptions.iter().find(|held| held.stream().is(stream));
        held.map_or(0, |held| held.footprint().held_frames)
    }

    // --- inside ---

    fn welcomed(&mut self, now: Instant, socket: SocketId, welcome: &Welcome) {
        self.stats.connections += 1;
        self.max_frame_bytes = welcome.max_frame_bytes as usize;
        self.link.handle_welcome(now, welcome, &self.config, &mut self.out);
        self.outbox.restart();
        // What was unsubscribed or subscribed between `hello` and `welcome` is said now.
        for stream in self.unanswered.iter().cloned() {
            self.out.frame(socket, ClientFrame::Unsubscribe { stream });
        }
        let checkpoint = &self.checkpoint;
        for held in self.subscriptions.iter_mut().filter(|held| held.is_offline()) {
            self.out.frame(socket, ClientFrame::Subscribe(held.ask(checkpoint.get(held.stream()))));
        }
    }

    fn control(&mut self, now: Instant, socket: SocketId, frame: ServerFrame) {
        match frame {
            ServerFrame::Subscribed(subscribed) => {
                if let Some(index) = self.unanswered.iter().position(|stream| *stream == subscribed.stream) {
                    self.unanswered.remove(index);
                    return;
                }
                let stream = subscribed.stream.clone();
                self.arrived(now, socket, &stream, Word::Subscribed(subscribed));
            }
            ServerFrame::Lost { stream, range } => self.arrived(now, socket, &stream, Word::Lost(range)),
            ServerFrame::Ended { stream, seq } => self.arrived(now, socket, &stream, Word::Ended(seq)),
            ServerFrame::Published { id, stream, seq, duplicate } => {
                self.outbox.published(id, stream, seq, duplicate, &mut self.out);
            }
            ServerFrame::Rejected { id, stream, code, message } => {
                if let (Some(id), Some(stream)) = (EventId::given(&id), StreamName::given(&stream)) {
                    self.outbox.rejected(now, (id, stream), code, message, &mut self.rng, &mut self.out);
                }
            }
            ServerFrame::Authenticated { expires_in_ms } => self.link.handle_authenticated(now, expires_in_ms),
            ServerFrame::Drain { reconnect_in_ms } => {
                self.link.handle_drain(now, Duration::from_millis(u64::from(reconnect_in_ms)), &mut self.rng);
            }
            ServerFrame::Ping => self.out.frame(socket, ClientFrame::Pong),
            ServerFrame::Pong => {}
            ServerFrame::Welcome(_) | ServerFrame::Error { .. } => unreachable!("handled before"),
        }
    }

    /// A request failed. A `subscribe` that failed for good is over: the application decides what becomes of it.
    fn failed(&mut self, now: Instant, code: ErrorCode, message: Text, stream: Option<&GivenStreamRef>) {
        if let Some(index) = self.unanswered.iter().position(|gone| stream.is_some_and(|stream| gone.is(stream))) {
            self.unanswered.remove(index);
            return;
        }
        let held = self.subscriptions.iter_mut().find(|held| stream.is_some_and(|stream| held.stream().is(stream)));
        let subscription = held.as_ref().map(|held| held.id());
        match held {
            Some(held) if held.is_asked() && code.is_retryable() => return held.ask_later(now, &mut self.rng),
            Some(held) if held.is_asked() => held.go_offline(),
            _ => {}
        }
        self.out.notice(Notice::Error { code: Trouble::Answer(code), message, subscription });
    }

    /// Something of a stream has arrived.
    fn arrived(&mut self, now: Instant, socket: SocketId, stream: &GivenStreamRef, word: Word<'_, P>) {
        let mut cx = Context { now, socket, config: &self.config, out: &mut self.out };
        let handled = match self.subscriptions.iter_mut().find(|held| held.stream().is(stream)) {
            Some(held) => held.hear(word, &mut cx),
            None => Ok(false),
        };
        if handled == Ok(false) {
            self.stats.stale_frames += 1;
        }
        self.fault(now, handled.err());
    }

    fn fault(&mut self, now: Instant, fault: Option<Fault>) {
        match fault {
            None => {}
            Some(Fault::GapStuck) => self.abandon(now, CloseCode::NORMAL, StateReason::GapStuck),
            Some(Fault::Misbehaved(detail)) => self.misbehaved(now, detail),
        }
    }

    fn misbehaved(&mut self, now: Instant, detail: impl Into<Text>) {
        let detail: Text = detail.into();
        let (code, message) = (Trouble::ServerMisbehaved, detail.clone());
        self.out.notice(Notice::Error { code, message, subscription: None });
        self.abandon(now, CloseCode::PROTOCOL_VIOLATION, StateReason::ServerMisbehaved { detail });
    }

    fn abandon(&mut self, now: Instant, code: CloseCode, reason: StateReason) {
        self.link.abandon(now, code, reason, &self.config, &mut self.rng, &mut self.out);
    }

    fn with(
        &mut self,
        now: Instant,
        subscription: SubscriptionId,
        settle: impl FnOnce(&mut Subscription<P>, Option<&mut Context<'_, P>>),
    ) {
        let Some(held) = self.subscriptions.iter_mut().find(|held| held.id() == subscription) else { return };
        let Some(socket) = self.link.up() else { return settle(held, None) };
        settle(held, Some(&mut Context { now, socket, config: &self.config, out: &mut self.out }));
    }

    /// Sends what acks are due, or all that have something to say.
    fn flush_acks(&mut self, now: Instant, anyway: bool) {
        let Some(socket) = self.link.up() else { return };
        let mut cx = Context { now, socket, config: &self.config, out: &mut self.out };
        let (mut acks, mut is_changed) = (0, false);
        for held in &mut self.subscriptions {
            if held.flush_ack(anyway, &mut cx) {
                acks += 1;
                is_changed |= held.checkpoint().is_some_and(|entry| self.checkpoint.set(entry));
            }
        }
        if acks > 0 {
            self.stats.acks += acks;
            self.keep_checkpoint(now, is_changed);
        }
    }

    fn update_checkpoint(&mut self, now: Instant) {
        let mut is_changed = false;
        for entry in self.subscriptions.iter().filter_map(Subscription::checkpoint) {
            is_changed |= self.checkpoint.set(entry);
        }
        self.keep_checkpoint(now, is_changed);
    }

    fn keep_checkpoint(&mut self, now: Instant, is_changed: bool) {
        if is_changed {
            self.checkpoint_due.get_or_insert(self.checkpoint_next + self.config.checkpoint_delay);
        }
        if self.checkpoint_next <= now {
            self.tell_checkpoint(now);
        }
    }

    /// What has changed is told with the next drain.
    fn tell_checkpoint(&mut self, now: Instant) {
        if self.checkpoint_due.take().is_some() {
            self.checkpoint_changed = true;
            self.checkpoint_next = now + self.config.checkpoint_delay;
        }
    }

    /// After each input.
    fn finish(&mut self, now: Instant) {
        let Some(socket) = self.link.up() else {
            if !self.link.is_greeting() {
                self.subscriptions.iter_mut().for_each(Subscription::go_offline);
            }
            return;
        };
        self.flush_acks(now, false);
        self.outbox.pump(now, socket, self.max_frame_bytes, &mut self.out);
        if self.flush_asked && self.outbox.len() == 0 {
            self.flush_asked = false;
            self.out.notice(Notice::Flushed);
        }
    }
}

#[cfg(target_arch = "wasm32")]
impl Session<u32> {
    /// The facade's numbers that are still in use: of names, and of frames that are held.
    pub fn handles(&self) -> Vec<u32> {
        let mut handles: Vec<u32> = self.unanswered.iter().map(|stream| stream.0).collect();
        handles.extend(self.checkpoint.streams.iter().flat_map(|entry| [entry.stream.0, entry.epoch.0]));
        self.subscriptions.iter().for_each(|held| held.handles(&mut handles));
        handles
    }

    /// Everything that is counted, as the facade reads it (`js/stats.ts`): the fields of [`Stats`] in their order. As
    /// objects with names they would be 1 KB of the package more.
    pub fn numbers(&self) -> Vec<f64> {
        let Stats { connections, unknown_frames, stale_frames, acks, .. } = self.stats;
        let outbox = self.outbox.len() as u64;
        let counts = [connections, unknown_frames, stale_frames, acks, self.out.nacks, outbox];
        let mut numbers = Vec::new();
        numbers.extend(counts.map(|count| count as f64));
        self.subscriptions.iter().for_each(|held| held.numbers(&mut numbers));
        numbers
    }
}

impl<P> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("link", &self.link).finish_non_exhaustive()
    }
}
