//! One connection: a task that carries words between a socket, its feeds, and the log.

use ackwire::{
    base::{Duration, Instant},
    deliver::{Action, Connection, FeedFrame, Limits, Notice},
    wire::{
        ClientSession, CloseCode, ConsumerId, ErrorCode, EventConfirmation, Publish, ServerFrame, ServerInfo,
        StreamName, Subscribe, Welcome, encode_server,
    },
};
use axum::extract::ws::{Message, WebSocket};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{sync::watch, time};
use tracing::Instrument;

use super::{
    jobs::{self, Done, Jobs, SubscriptionId},
    outgoing::Outgoing,
    signals::{Signals, SubscriptionBell},
    subscription::Subscription,
    subscriptions::Subscriptions,
    timer::Timer,
    transport::{Received, farewell, poll_receive},
};
use crate::{
    App, SERVICE, VERSION,
    auth::Identity,
    clock,
    hub::{Attendance, OpenError, Order, Seat},
    limits::{MAX_META_ENTRIES, MAX_PUBLISHES},
    log::{Bell, ConsumerKey, LogError},
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
            && let Poll::Ready(received) = poll_receive(socket, context)
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
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => self.connection.handle_sign_of_life(now),
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

    /// Does what the connection has decided.
    async fn act(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            let now = clock::now();
            match action {
                Action::Authenticate { consumer, session, token } => {
                    let who = consumer.map(|consumer| (consumer, session));
                    self.authenticate(now, who, token.as_deref());
                }
                Action::Subscribe(subscribe) => {
                    // Boxed, as what happens seldom: a connection has room for this only while it does it.
                    Box::pin(self.subscribe(subscribe)).await;
                    // The answers come in the order of the questions.
                    self.pump();
                }
                Action::Unsubscribe(stream) => self.let_go(&stream),
                Action::Ack(ack) => self.tell(&ack.stream, |feed| feed.handle_ack(now, &ack)),
                Action::Nack(nack) => self.tell(&nack.stream, |feed| feed.handle_nack(now, &nack)),
                Action::ConfirmRequeued(confirm) => {
                    self.tell(&confirm.stream, |feed| feed.handle_confirm(now, &confirm))
                }
                Action::Resend(resend) => self.tell(&resend.stream, |feed| feed.handle_resend(&resend)),
                Action::Confirm(confirmation) => self.confirm(now, &confirmation),
                Action::Publish(publish) => self.publish(publish),
                Action::Send(frame) => self.send(&frame),
                Action::Close { code, reason } => self.end = self.end.take().or(Some(End::Close(code, reason))),
            }
        }
    }

    fn authenticate(&mut self, now: Instant, who: Option<(ConsumerId, Option<ClientSession>)>, token: Option<&str>) {
        let identity = match self.app.auth.authenticate(token) {
            Ok(identity) => identity,
            Err(error) => return self.connection.handle_refused(error.to_string()),
        };
        let expires_in = identity.expires_at.map(|at| Duration::from_millis(at.saturating_sub(clock::unix_ms())));
        match (who, &mut self.guest) {
            (Some((consumer, session)), _) => {
                let key = ConsumerKey { subject: identity.subject.clone(), consumer: consumer.clone() };
                let welcome = self.welcome(consumer.clone(), expires_in);
                let seat = Seat::take(&self.app.hub, key, session, self.signals.clone());
                let trouble = self.app.troubles.maker(consumer);
                tracing::info!(connection = self.name, consumer = %seat.key().consumer, "welcome");
                self.guest = Some(Guest { seat, identity, trouble });
                self.connection.handle_accepted(now, expires_in, welcome);
            }
            (None, Some(guest)) if guest.identity.subject == identity.subject => {
                guest.identity = identity;
                let welcome = ServerFrame::Authenticated { expires_in_ms: None };
                self.connection.handle_accepted(now, expires_in, welcome);
                self.leave_forbidden();
            }
            (None, _) => self.connection.handle_refused("the token is another user's"),
        }
    }

    fn welcome(&self, consumer: ConsumerId, expires_in: Option<Duration>) -> ServerFrame {
        let limits = &self.app.config.limits;
        ServerFrame::Welcome(Welcome {
            connection: self.name.clone(),
            consumer,
            heartbeat_ms: u32::try_from(limits.heartbeat.as_millis()).unwrap_or(u32::MAX),
            max_frame_bytes: u32::try_from(limits.max_frame_bytes).unwrap_or(u32::MAX),
            token_expires_in_ms: expires_in.map(Duration::as_millis),
            server: ServerInfo { name: SERVICE.into(), version: VERSION.into() },
        })
    }

    /// A fresh token may allow less than the one before.
    fn leave_forbidden(&mut self) {
        let Some(guest) = &self.guest else { return };
        let streams = self.subscriptions.iter().map(|subscription| &subscription.id.stream);
        let streams = streams.filter(|stream| !guest.identity.may_read(stream));
        for stream in streams.cloned().collect::<Vec<_>>() {
            self.refuse(&stream, ErrorCode::Forbidden, "the new token does not cover this stream".into());
        }
    }

    fn refuse(&mut self, stream: &StreamName, code: ErrorCode, message: String) {
        self.subscriptions.remove(stream);
        self.connection.handle_unsubscribed(stream);
        self.send(&ServerFrame::Error { code, message, stream: Some(stream.to_string()) });
    }

    async fn subscribe(&mut self, subscribe: Subscribe) {
        let Some(guest) = &self.guest else { return };
        let (stream, number) = (subscribe.stream.clone(), self.subscribed + 1);
        self.subscribed = number;
        if !guest.identity.may_read(&stream) {
            let message = "the token's `ackwire.read` does not cover this stream".into();
            return self.refuse(&stream, ErrorCode::Forbidden, message);
        }
        let id = SubscriptionId { stream: stream.clone(), number };
        let bell = SubscriptionBell::new(&self.signals, id.clone());
        // Before the tail is read, so that no move is missed.
        let watch = self.app.log.watch(&stream, bell.clone());
        let (slot, tail) = match self.app.hub.open_for(&stream, &guest.seat).await {
            Ok(opened) => opened,
            // The connection is about to be closed.
            Err(OpenError::Superseded) if guest.seat.order() != Order::Stay => return,
            Err(error) => {
                let code = match error {
                    OpenError::TooMany(_) => ErrorCode::TooManyRequests,
                    OpenError::Superseded | OpenError::Log(_) => ErrorCode::Unavailable,
                };
                return self.refuse(&stream, code, error.to_string());
            }
        };
        if guest.seat.order() != Order::Stay {
            return;
        }
        // An earlier subscription of the stream detaches before this one attaches.
        let connection = guest.seat.id();
        self.let_go(&stream);
        slot.take_over(connection, bell, |feed| feed.attach(clock::now(), &subscribe, tail));
        let subscription = Subscription::new(id, slot, connection, watch);
        self.subscriptions.insert(subscription);
    }

    /// Ends a subscription. Its `subscribe` is answered all the same [AW-SUB-3].
    fn let_go(&mut self, stream: &StreamName) {
        let Some(mut subscription) = self.subscriptions.remove(stream) else { return };
        let answers = subscription.output(|feed, _| feed.take_answers()).unwrap_or_default();
        answers.iter().for_each(|frame| self.outgoing.push(frame.encode(stream)));
    }

    /// Hands a feed what the client says of it. A stream that is not subscribed (any more) is not concerned.
    fn tell(
        &mut self,
        stream: &StreamName,
        input: impl FnOnce(&mut ackwire::deliver::Feed) -> Result<(), ackwire::deliver::Violation>,
    ) {
        let told = self.subscriptions.get_mut(stream).and_then(|subscription| subscription.input(input));
        if let Some(Err(violation)) = told {
            self.connection.handle_violation(&violation);
        }
    }

    fn confirm(&mut self, now: Instant, confirmation: &EventConfirmation) {
        let is_known = self
            .subscriptions
            .iter_mut()
            .any(|subscription| subscription.input(|feed| feed.handle_confirmation(now, confirmation)) == Some(true));
        if !is_known {
            let message = format!("no event {} was sent to this consumer and is unsettled", confirmation.event_id);
            self.send(&ServerFrame::Error { code: ErrorCode::UnknownEvent, message, stream: None });
        }
    }

    fn publish(&mut self, publish: Publish) {
        let Some(guest) = &self.guest else { return };
        let (bytes, most) = (payload_bytes(&publish), self.app.config.limits.max_event_bytes);
        let problem = if !guest.identity.may_write(&publish.stream) {
            let message = "the token's `ackwire.write` does not cover this stream".to_owned();
            Some((ErrorCode::Forbidden, message))
        } else if bytes > most {
            Some((ErrorCode::TooLarge, format!("`data` and `meta` have {bytes} bytes, more than {most}")))
        } else if publish.meta.len() > MAX_META_ENTRIES {
            Some((ErrorCode::InvalidRequest, format!("`meta` has more than {MAX_META_ENTRIES} entries")))
        } else {
            None
        };
        if let Some((code, message)) = problem {
            return self.reject(&publish, code, message);
        }
        // One after another: what a client sends in order goes into the log in order.
        if self.publishes.is_empty() {
            self.jobs.append(publish.clone());
        }
        self.publishes.push_back(publish);
    }

    fn reject(&mut self, publish: &Publish, code: ErrorCode, message: String) {
        let (id, stream) = (publish.id.to_string(), publish.stream.to_string());
        self.send(&ServerFrame::Rejected { id, stream, code, message });
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

fn payload_bytes(publish: &Publish) -> usize {
    let meta = publish.meta.iter().map(|(key, value)| key.len() + value.len());
    publish.data.get().len() + meta.sum::<usize>()
}
