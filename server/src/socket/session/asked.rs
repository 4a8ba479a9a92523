//! What a client asks for, and whether it gets it.

use ackwire::{
    base::{Duration, Instant},
    deliver::{Action, Feed, Violation},
    wire::{
        ClientSession, ConsumerId, ErrorCode, EventConfirmation, Publish, ServerFrame, ServerInfo, StreamName,
        Subscribe, Welcome,
    },
};

use super::{
    super::{jobs::SubscriptionId, signals::SubscriptionBell, subscription::Subscription},
    End, Guest, Session,
};
use crate::{
    SERVICE, VERSION, clock,
    hub::{OpenError, Order, Seat},
    limits::MAX_META_ENTRIES,
    log::ConsumerKey,
};

impl Session {
    /// Does what the connection has decided.
    pub(super) async fn act(&mut self) {
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
    fn tell(&mut self, stream: &StreamName, input: impl FnOnce(&mut Feed) -> Result<(), Violation>) {
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

    pub(super) fn reject(&mut self, publish: &Publish, code: ErrorCode, message: String) {
        let (id, stream) = (publish.id.to_string(), publish.stream.to_string());
        self.send(&ServerFrame::Rejected { id, stream, code, message });
    }
}

fn payload_bytes(publish: &Publish) -> usize {
    let meta = publish.meta.iter().map(|(key, value)| key.len() + value.len());
    publish.data.get().len() + meta.sum::<usize>()
}
