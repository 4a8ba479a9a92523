//! What the server's connections decide, done.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Action, Feed, Violation};
use ackwire::wire::{
    ClientSession, ConsumerId, ErrorCode, Publish, Seq, SeqRange, ServerFrame, ServerInfo, StreamName, Welcome,
    encode_server,
};

use crate::check::Traffic;
use crate::log::{Appended, Wanted};
use crate::server::{Kind, Say, Server};

impl Server {
    /// Does what a connection decides.
    pub(crate) fn act(
        &mut self,
        now: Instant,
        id: u64,
        token_life: &impl Fn(Option<&str>) -> Result<Option<Duration>, ()>,
        say: &mut Vec<Say>,
    ) {
        loop {
            let Some(line) = self.lines.get_mut(&id) else { return };
            let Some(action) = line.connection.poll_action() else { return };
            let consumer = line.consumer.clone();
            let mine = |stream: &StreamName| (stream.clone(), consumer.clone().expect("it said hello"));
            match action {
                Action::Authenticate { consumer, session, token } => {
                    let who = consumer.map(|consumer| (consumer, session));
                    self.authenticate(now, id, who, token_life(token.as_deref()), say);
                }
                Action::Subscribe(subscribe) => {
                    let key = mine(&subscribe.stream);
                    line.subscribed += 1;
                    line.windows.insert(subscribe.stream.clone(), (subscribe.window, line.subscribed));
                    self.answer(id, &key, say);
                    self.traffic.push((key.clone(), Traffic::Subscribed(subscribe.window)));
                    self.attach(now, key, &subscribe);
                }
                Action::Unsubscribe(stream) => {
                    let key = mine(&stream);
                    line.windows.remove(&stream);
                    self.answer(id, &key, say);
                    self.detach(key);
                }
                Action::Ack(ack) => {
                    let key = mine(&ack.stream);
                    let acked = SeqRange::new(Seq::ZERO, ack.upto).into_iter().chain(ack.also.iter().copied());
                    self.traffic.extend(acked.map(|range| (key.clone(), Traffic::Acked(range))));
                    self.with_feed(&key, |feed| must(feed, |f| f.handle_ack(now, &ack)));
                }
                Action::Nack(nack) => {
                    self.with_feed(&mine(&nack.stream), |feed| must(feed, |f| f.handle_nack(now, &nack)));
                }
                Action::ConfirmRequeued(confirm) => {
                    self.with_feed(&mine(&confirm.stream), |feed| must(feed, |f| f.handle_confirm(now, &confirm)));
                }
                Action::Resend(resend) => {
                    self.with_feed(&mine(&resend.stream), |feed| must(feed, |f| f.handle_resend(&resend)));
                }
                Action::Confirm(confirmation) => unreachable!("the core sends none: {confirmation:?}"),
                Action::Publish(publish) => self.publish(id, publish, say),
                Action::Send(frame) => {
                    line.connection.handle_sent(now);
                    say.push(Say::Send(id, encode_server(&frame), Kind::Control));
                }
                Action::Close { code, reason } => {
                    assert_ne!(code.0, 4400, "our own client keeps to the protocol: {reason}");
                    self.handle_closed(id);
                    say.push(Say::Close(id, code.0));
                }
            }
        }
    }

    pub(crate) fn authenticate(
        &mut self,
        now: Instant,
        id: u64,
        who: Option<(ConsumerId, Option<ClientSession>)>,
        life: Result<Option<Duration>, ()>,
        say: &mut Vec<Say>,
    ) {
        let Ok(life) = life else {
            self.lines.get_mut(&id).expect("a line").connection.handle_refused("the token is not good");
            return;
        };
        if let Some((consumer, session)) = who {
            let line = self.lines.get_mut(&id).expect("a line");
            (line.consumer, line.session) = (Some(consumer.clone()), session);
            if self.is_overtaken(&consumer, id) {
                return self.replace(now, id, say);
            }
            if let Some(older) = self.seats.insert(consumer, id) {
                self.replace(now, older, say);
            }
        }
        let line = self.lines.get_mut(&id).expect("a line");
        let welcome = ServerFrame::Welcome(Welcome {
            connection: id.to_string(),
            consumer: line.consumer.clone().expect("it said hello"),
            heartbeat_ms: self.limits.heartbeat.as_millis() as u32,
            max_frame_bytes: self.limits.max_frame_bytes as u32,
            token_expires_in_ms: life.map(Duration::as_millis),
            server: ServerInfo { name: "simulation".into(), version: "0".into() },
        });
        line.connection.handle_accepted(now, life, welcome);
    }

    /// Whether a newer connection of the same client has the consumer's seat [AW-CONN-5].
    fn is_overtaken(&self, consumer: &ConsumerId, id: u64) -> bool {
        let session = |id: &u64| self.lines.get(id)?.session.as_ref();
        let newer = self.seats.get(consumer).and_then(session);
        session(&id).zip(newer).is_some_and(|(own, newer)| own.is_before(newer))
    }

    /// A connection is not listened to any more [AW-CONN-5].
    fn replace(&mut self, now: Instant, id: u64, say: &mut Vec<Say>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.connection.handle_replaced();
        let consumer = line.consumer.clone().expect("it said hello");
        for stream in std::mem::take(&mut line.windows).into_keys() {
            self.detach((stream, consumer.clone()));
        }
        self.act(now, id, &|_| Err(()), say);
    }

    fn publish(&mut self, connection: u64, publish: Publish, say: &mut Vec<Say>) {
        let Publish { stream, id, .. } = publish;
        let refuse = |code: ErrorCode| ServerFrame::Rejected {
            id: id.to_string(),
            stream: stream.to_string(),
            code,
            message: "refused".into(),
        };
        let appended = (!self.is_sick)
            .then(|| self.logs.get_mut(&stream).expect("a stream").append_wanted(&Wanted::new(id.clone())));
        let answer = match appended {
            None => refuse(ErrorCode::Unavailable),
            Some(Appended::Ended) => refuse(ErrorCode::StreamEnded),
            Some(Appended::New(seq)) => {
                say.push(Say::Moved(stream.clone()));
                ServerFrame::Published { id, stream, seq, duplicate: false }
            }
            Some(Appended::Known(seq)) => ServerFrame::Published { id, stream, seq, duplicate: true },
        };
        say.push(Say::Send(connection, encode_server(&answer), Kind::Control));
    }
}

fn must(feed: &mut Feed, handle: impl FnOnce(&mut Feed) -> Result<(), Violation>) {
    if feed.is_attached() {
        handle(feed).expect("our own client keeps to the protocol");
    }
}
