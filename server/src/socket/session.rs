//! One connection: a task that carries words between a socket, its feeds, and the log.

mod asked;

use ackwire::{
    base::{Duration, Instant},
    deliver::{Connection, FeedFrame, Limits, Notice},
    wire::{CloseCode, ErrorCode, Publish, ServerFrame, encode_server},
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{sync::watch, time};
use tracing::Instrument;
use tungstenite::Message;

use super::{
    jobs::{self, Done, Jobs, SubscriptionId},
    outgoing::Outgoing,
    signals::{Signals, SubscriptionBell},
    subscription::Subscription,
    subscriptions::Subscriptions,
    timer::Timer,
    websocket::{Received, WebSocket, farewell},
};
use crate::{
    App,
    auth::Identity,
    clock,
    hub::{Attendance, Order, Seat},
    limits::MAX_PUBLISHES,
    log::{Bell, LogError},
    trouble::TroubleMaker,
};

/// How long timers of feeds wait, each time, while this server may have lost their consumers to another one.
const OUT_OF_TOUCH: Duration = Duration::from_millis(250);

/// How a connection ends.
enum End {
    /// With a close frame.
    Close(CloseCode, String),
    /// Without a word.
    Break,
}

/// A connection and everything that it holds; dropping it gives all of it back.
pub(super) struct Session {
    app: Arc<App>,
    name: String,
    connection: Connection,
    outgoing: Outgoing,
    jobs: Jobs,
    signals: Arc<Signals>,
    /// Taken from the signals; kept to be used again.
    rung: Vec<Arc<SubscriptionBell>>,
    /// Before the seat, so that feeds are detached while it is still taken.
    subscriptions: Subscriptions,
    subscribed: u64,
    guest: Option<Guest>,
    /// The first of them is being appended.
    publishes: VecDeque<Publish>,
    draining: watch::Receiver<Option<Duration>>,
    _attendance: Attendance,
    end: Option<End>,
}

/// What came of waiting.
enum Turn {
    /// Something has happened.
    GoOn,
    /// The client closes.
    Farewell,
    /// Nobody is there.
    Over,
}

/// Who was let in.
struct Guest {
    seat: Seat,
    identity: Identity,
    trouble: TroubleMaker<String>,
}

impl Session {
    /// Boxed: the tasks that it passes through would each have room for it.
    pub fn new(app: Arc<App>) -> Box<Self> {
        let limits = &app.config.limits;
        let core_span = |span: time::Duration| Duration::from_millis(span.as_millis() as u64);
        let limits = Limits {
            hello_deadline: core_span(limits.hello_deadline),
            heartbeat: core_span(limits.heartbeat),
            max_frame_bytes: limits.max_frame_bytes,
            max_subscriptions: limits.max_subscriptions,
            messages_per_second: limits.max_messages_per_second,
            message_burst: limits.max_message_burst,
            publishes_per_second: limits.max_publishes_per_second,
            publish_burst: limits.max_publish_burst,
        };
        let signals: Arc<Signals> = Arc::default();
        let bell: Arc<dyn Bell> = signals.clone();
        Box::new(Self {
            _attendance: app.hub.seats().attend(Arc::downgrade(&bell)),
            name: uuid::Uuid::now_v7().to_string(),
            connection: Connection::new(clock::now(), limits),
            outgoing: Outgoing::new(app.hub.monitor().clone()),
            jobs: Jobs::new(app.log.clone(), app.config.limits.max_subscriptions),
            signals,
            rung: Vec::new(),
            subscriptions: Subscriptions::default(),
            subscribed: 0,
            guest: None,
            publishes: VecDeque::new(),
            draining: app.hub.draining(),
            end: None,
            app,
        })
    }

    /// Until the connection is over.
    pub fn run(mut self: Box<Self>, mut socket: Box<WebSocket>) -> impl Future<Output = ()> {
        // For who looks at details; entering it at each turn costs.
        let span = tracing::debug_span!("connection", id = self.name);
        async move { self.carry(&mut socket).await }.instrument(span)
    }

    async fn carry(&mut self, socket: &mut WebSocket) {
        tracing::debug!("opened");
        // The server may be draining already.
        self.drain();
        let mut timer = Timer::new();
        loop {
            self.act().await;
            self.pump();
            match self.end.take() {
                Some(End::Close(code, reason)) => {
                    tracing::info!(connection = self.name, code = code.0, reason, "closed");
                    self.outgoing.close(code.0, &reason);
                    return Box::pin(self.farewell(socket)).await;
                }
                Some(End::Break) => return tracing::info!(connection = self.name, "cut"),
                None => {}
            }
            timer.arm(self.due());
            match poll_fn(|context| self.poll_turn(socket, &mut timer, context)).await {
                Turn::GoOn => {}
                Turn::Farewell => {
                    tracing::debug!("the client closed");
                    return Box::pin(self.farewell(socket)).await;
                }
                Turn::Over => return tracing::debug!("gone"),
            }
        }
    }

    /// Takes whatever has happened, of each kind one, so that none waits for the others; ready if there was something. By hand
    /// and with one waker for all that is told from outside: this is most of what a connection does.
    fn poll_turn(&mut self, socket: &mut WebSocket, timer: &mut Timer, context: &mut Context<'_>) -> Poll<Turn> {
        let mut has_news = false;
        if self.outgoing.has_work()
            && let Poll::Ready(written) = self.outgoing.poll_write(socket, context)
        {
            if let Err(error) = written {
                tracing::debug!(%error, "broken off");
                return Poll::Ready(Turn::Over);
            }
            self.connection.handle_sent(clock::now());
            has_news = self.subscriptions.iter().any(|subscription| subscription.is_stirred);
        }
        if let Poll::Ready(is_told) = self.signals.poll_rung(context, &mut self.rung) {
            self.handle_bells();
            if is_told {
                self.handle_told();
            }
            has_news = true;
        }
        if self.outgoing.takes_answers()
            && self.jobs.takes_more()
            && self.publishes.len() < MAX_PUBLISHES
            && let Poll::Ready(received) = socket.poll_receive(context)
        {
            match received {
                Received::Message(message) => self.handle_message(&message),
                Received::Closed => return Poll::Ready(Turn::Farewell),
                Received::Oversized => self.connection.handle_oversized(),
                Received::Violation(code, reason) => self.end = Some(End::Close(CloseCode(code), reason)),
                Received::Gone => return Poll::Ready(Turn::Over),
            }
            has_news = true;
        }
        if let Poll::Ready(done) = self.jobs.poll_next(context) {
            self.handle_done(done);
            has_news = true;
        }
        if timer.poll_fired(context).is_ready() {
            self.handle_timeout();
            has_news = true;
        }
        if has_news { Poll::Ready(Turn::GoOn) } else { Poll::Pending }
    }

    /// Gives back what the connection holds before the closing handshake, which may take a while.
    async fn farewell(&mut self, socket: &mut WebSocket) {
        self.subscriptions.clear();
        self.guest = None;
        farewell(&mut self.outgoing, socket).await;
    }

    fn handle_message(&mut self, message: &Message) {
        let now = clock::now();
        // Since this moment a newer connection speaks for the consumer [AW-CONN-5].
        if let Some(guest) = &self.guest
            && guest.seat.order() != Order::Stay
        {
            return self.obey(guest.seat.order());
        }
        let metrics = self.app.hub.monitor().metrics();
        match message {
            Message::Text(text) => {
                metrics.count_received(text.len());
                self.connection.handle_text(now, text);
            }
            Message::Binary(_) => self.connection.handle_binary(now),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                self.connection.handle_sign_of_life(now)
            }
        }
    }

    /// The connection was told something from outside.
    fn handle_told(&mut self) {
        if let Some(guest) = &self.guest {
            self.obey(guest.seat.order());
        }
        if self.draining.has_changed().unwrap_or(false) {
            self.drain();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Stay => {}
            Order::Replaced => self.connection.handle_replaced(),
            Order::Return => {
                let reason = "another server has taken the consumer meanwhile: connect again";
                self.end = Some(End::Close(CloseCode(1012), reason.into()));
            }
            Order::Cut => self.end = Some(End::Break),
        }
    }

    fn drain(&mut self) {
        let span = *self.draining.borrow_and_update();
        if let Some(span) = span {
            self.connection.handle_drain(clock::now(), span);
        }
    }

    fn handle_timeout(&mut self) {
        let now = clock::now();
        self.connection.handle_timeout(now);
        let is_in_touch = self.app.hub.is_in_touch();
        for subscription in self.subscriptions.iter_mut() {
            if subscription.due.is_some_and(|due| due <= now) {
                if is_in_touch {
                    subscription.input(|feed| feed.handle_timeout(now));
                } else {
                    // Another server may have the consumer, and its timers.
                    subscription.due = Some(now + OUT_OF_TOUCH);
                }
            }
        }
        if let Some(guest) = &mut self.guest {
            let mut released = Vec::new();
            guest.trouble.release(now, &mut released);
            released.into_iter().for_each(|text| self.outgoing.push(text));
        }
    }

    fn due(&self) -> Option<Instant> {
        let feeds = self.subscriptions.iter().filter_map(|subscription| subscription.due);
        let trouble = self.guest.as_ref().and_then(|guest| guest.trouble.due());
        feeds.chain(self.connection.poll_timeout()).chain(trouble).min()
    }

    fn handle_bells(&mut self) {
        let (now, mut rung) = (clock::now(), std::mem::take(&mut self.rung));
        for bell in rung.drain(..) {
            if let Some(current) = self.current(&bell.id) {
                current.handle_bell(now);
            }
        }
        self.rung = rung;
    }

    fn handle_done(&mut self, done: Done) {
        let now = clock::now();
        match done {
            Done::Read { subscription, id, page } => {
                let Some(current) = self.current(&subscription) else { return };
                match page {
                    Ok(page) => drop(current.input(|feed| feed.handle_page(now, id, &page))),
                    Err(error) => {
                        tracing::warn!(stream = %subscription.stream, %error, "the log was not read; tried again");
                        current.input(|feed| feed.handle_read_failed(now, id));
                    }
                }
            }
            Done::Saved { subscription, id } => {
                if let Some(current) = self.current(&subscription) {
                    current.input(|feed| feed.handle_saved(id));
                }
            }
            Done::Appended { publish, placed } => {
                self.publishes.pop_front();
                if let Some(next) = self.publishes.front() {
                    self.jobs.append(next.clone());
                }
                match placed {
                    Ok((seq, duplicate)) => {
                        let Publish { id, stream, .. } = publish;
                        self.send(&ServerFrame::Published { id, stream, seq, duplicate });
                    }
                    Err(error) => {
                        let code = match error {
                            LogError::StreamEnded => ErrorCode::StreamEnded,
                            LogError::StreamFull => ErrorCode::InvalidRequest,
                            LogError::Unavailable { .. } => ErrorCode::Unavailable,
                        };
                        self.reject(&publish, code, error.to_string());
                    }
                }
            }
            Done::Retried { subscription, seq, attempt, outcome } => {
                let Some(current) = self.current(&subscription) else { return };
                let outcome = outcome.as_ref().copied().map_err(String::as_str);
                current.input(|feed| feed.handle_retried(now, (seq, attempt), outcome));
            }
        }
    }

    fn current(&mut self, id: &SubscriptionId) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(&id.stream).filter(|subscription| subscription.id == *id)
    }

    /// Takes what the feeds have to say, as far as the socket keeps up.
    fn pump(&mut self) {
        let Some(guest) = &mut self.guest else { return };
        let (now, outgoing, running, end) = (clock::now(), &mut self.outgoing, &mut self.jobs, &mut self.end);
        let mut texts = Vec::new();
        for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.is_stirred) {
            let (slot, mut notices) = (subscription.slot().clone(), Vec::new());
            let polled = subscription.output(|feed, watch| {
                let read = loop {
                    while outgoing.takes_events() {
                        match feed.poll_transmit() {
                            Some(frame @ FeedFrame::Events(_)) => {
                                guest.trouble.pass(now, frame.encode(slot.stream()), &mut texts);
                                texts.drain(..).for_each(|text| outgoing.push(text));
                            }
                            Some(frame) => outgoing.push(frame.encode(slot.stream())),
                            None => break,
                        }
                    }
                    let Some(request) = feed.poll_read() else { break None };
                    match watch.read(request.range, jobs::limit(&request)) {
                        Some(page) => feed.handle_page(now, request.id, &jobs::page(page)),
                        None => break Some(request),
                    }
                };
                let save = feed.poll_save();
                notices.extend(std::iter::from_fn(|| feed.poll_notice()));
                let room = running.room_for_retries();
                let retries: Vec<_> = std::iter::from_fn(|| feed.poll_retry()).take(room).collect();
                (save, read, feed.poll_timeout(), retries)
            });
            // What does not fit is taken once something was written.
            subscription.is_stirred = !outgoing.takes_events() || running.room_for_retries() == 0;
            let (save, read, due, retries) = polled.unwrap_or_default();
            subscription.due = due;
            if let Some(id) = save {
                running.save(subscription.id.clone(), slot.clone(), id);
            }
            if let Some(request) = read {
                running.read(subscription.id.clone(), request);
            }
            if let Some(callback) = self.app.hub.retry() {
                for (seq, attempt) in retries {
                    running.retry(subscription.id.clone(), callback.clone(), seq, attempt);
                }
            }
            slot.note(&notices);
            if notices.contains(&Notice::EpochChanged) {
                *end = Some(End::Close(CloseCode(1012), "the log of a stream was replaced".into()));
            }
        }
    }

    fn send(&mut self, frame: &ServerFrame) {
        self.outgoing.push(encode_server(frame));
    }
}
