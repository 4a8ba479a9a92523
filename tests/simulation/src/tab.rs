//! A browser tab: the real `Session`, and an application that handles events as the SDK does.

use ackwire::base::{Instant, Rng};
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, IdHasher, Notice, Positions, PublishError, Session, SocketId, State, StateReason,
    SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{
    Ack, ClientFrame, ConsumerId, ErrorCode, Event, EventId, EventType, Meta, Priority, Publish, Seq, SeqRange,
    StreamName, decode_events, decode_server,
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::clock::Clock;
use crate::reader::Reader;
use crate::seen::{Call, Handling, Seen};

/// What the core never looks into.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A frame's events.
    Events(Rc<Vec<Event>>),
    /// A message of the application.
    Message(Rc<str>),
}

/// What an application is like.
#[derive(Clone, Debug)]
pub struct App {
    /// Its client's settings.
    pub config: Config,
    /// What it subscribes to when its page loads.
    pub subscribe: Vec<SubscribeOptions>,
    /// How many events of a stream may be with its handlers at a time.
    pub concurrency: usize,
}

/// A publish in this page life.
#[derive(Debug)]
pub struct Publication {
    /// To where.
    pub stream: StreamName,
    /// Under which id.
    pub id: EventId,
    /// How often it was answered.
    pub answers: u32,
}

/// A tab in one page life after another.
#[derive(Debug)]
pub struct Tab {
    /// Whose confirmations are tracked.
    pub consumer: ConsumerId,
    /// Counts reloads: what belongs to an earlier life is not heard.
    pub life: u32,
    /// The core.
    pub session: Session<Payload>,
    /// Every subscription of this life.
    pub readers: Vec<Reader>,
    /// What earlier lives saw, by stream.
    pub past: BTreeMap<StreamName, Vec<Vec<Seen>>>,
    /// What this life published.
    pub publications: Vec<Publication>,
    /// Acks that were sent since the checks looked.
    pub acks: Vec<Ack>,
    /// Where its subscriptions stood before the application called its client, since the checks looked.
    pub stood: Vec<(StreamName, Positions)>,
    /// Its clock.
    pub clock: Clock,
    /// Nothing happens in it until then: the machine sleeps, or the page is frozen.
    pub frozen_until: Instant,
    /// Counts the timers that were armed: only the newest counts.
    pub timer: u64,
    /// What its timer was last armed for, and whether that one fires early.
    pub armed: Option<(Instant, bool)>,
    /// What happens to its timers and tokens.
    pub rng: Rng,
    app: App,
    is_replaced: bool,
    hasher: IdHasher,
    storage: Checkpoint,
    handlers: u64,
    deliveries: u64,
}

/// What a tab asks of its world.
#[derive(Debug)]
pub enum Wish {
    /// Open a socket.
    Open(SocketId),
    /// Send a text.
    Send(SocketId, String),
    /// Close a socket.
    Close(SocketId),
    /// Give it a token.
    Token,
    /// A handler runs: call `finish` with this number when it is done.
    Handle(usize, u64, Handling),
    /// The client has given up: call `connect` in a while.
    GaveUp,
}

impl Tab {
    /// A tab whose page has not loaded yet.
    pub fn new(app: App, clock: Clock, mut rng: Rng) -> Self {
        let key = rng.next_u64();
        Self {
            consumer: app.config.consumer.clone(),
            life: 0,
            session: Session::new(app.config.clone(), Checkpoint::default(), 0),
            readers: Vec::new(),
            past: BTreeMap::new(),
            publications: Vec::new(),
            acks: Vec::new(),
            stood: Vec::new(),
            clock,
            frozen_until: Instant::default(),
            timer: 0,
            armed: None,
            rng,
            app,
            is_replaced: false,
            hasher: IdHasher::new(key, !key),
            storage: Checkpoint::default(),
            handlers: 0,
            deliveries: 0,
        }
    }

    /// The browser duplicates it, with what it stored.
    pub fn duplicate(&self, clock: Clock, rng: Rng) -> Self {
        Self { storage: self.storage.clone(), ..Self::new(self.app.clone(), clock, rng) }
    }

    /// The page loads, for the first time or again. A crash takes what was not stored.
    pub fn load(&mut self, now: Instant, seed: u64) {
        for reader in self.readers.drain(..) {
            self.past.entry(reader.stream).or_default().push(reader.seen);
        }
        self.life += 1;
        self.is_replaced = false;
        self.publications.clear();
        self.acks.clear();
        self.stood.clear();
        self.armed = None;
        let text = self.storage.to_text();
        self.session = Session::new(self.app.config.clone(), Checkpoint::from_text(&text), seed);
        for options in self.app.subscribe.clone() {
            self.subscribe(now, options);
        }
        self.session.connect(now);
    }

    /// The browser has lost what the page stored.
    pub fn forget(&mut self) {
        self.storage = Checkpoint::default();
    }

    /// What it asked for.
    pub fn options(&self, stream: &StreamName) -> &SubscribeOptions {
        self.app.subscribe.iter().find(|options| options.stream == *stream).expect("a stream of this tab")
    }

    /// Its streams.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = &StreamName> {
        self.app.subscribe.iter().map(|options| &options.stream)
    }

    /// How its client is set.
    pub fn config(&self) -> &Config {
        &self.app.config
    }

    /// Whether it was replaced by a tab of the same identity.
    pub fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// The subscription to a stream, unless the application has ended it.
    pub fn reader(&self, stream: &StreamName) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.stream == *stream && reader.subscription.is_some())
    }

    // --- inputs ---

    /// A frame arrives.
    pub fn handle_text(&mut self, now: Instant, socket: SocketId, text: &str) {
        if let Ok(Some(frame)) = decode_events(text) {
            let head = |event: &Event| Head {
                seq: event.seq,
                id_hash: self.hasher.hash(&event.id),
                attempt: event.attempt,
                critical: event.priority == Priority::Critical,
            };
            let heads: Vec<Head> = frame.events.iter().map(head).collect();
            let payload = Payload::Events(Rc::new(frame.events));
            let ackwire::wire::EventsFrame { after, upto, requeued, .. } = frame;
            let batch = Batch { after, upto, requeued, heads: &heads, payload };
            self.session.handle_events(now, socket, &frame.stream, batch);
            return;
        }
        match decode_server(text) {
            Ok(Some(frame)) => self.session.handle_frame(now, socket, frame),
            Ok(None) => self.session.handle_unknown(now, socket),
            Err(error) => panic!("the server wrote what nobody can read: {error}: {text}"),
        }
    }

    /// A handler is done, unless it was given up or belongs to an earlier life.
    pub fn finish(&mut self, now: Instant, life: u32, reader: usize, number: u64, handling: Handling) {
        if life != self.life {
            return;
        }
        let reader = &mut self.readers[reader];
        let Some(event) = reader.running.remove(&number) else { return };
        let outcome = reader.outcome(&event, handling);
        let subscription = reader.subscription.expect("a closed reader runs nothing");
        self.session.settle(now, subscription, event.seq, event.attempt, outcome);
    }

    /// The application calls its client.
    pub fn call(&mut self, now: Instant, call: Call, stream: &StreamName) {
        for Reader { stream, subscription, .. } in &self.readers {
            let position = subscription.and_then(|subscription| self.session.position(subscription));
            self.stood.extend(position.map(|position| (stream.clone(), position)));
        }
        match call {
            Call::Flush => self.session.flush(now),
            Call::Publish => self.publish(now, stream),
            Call::Unsubscribe => self.unsubscribe(now, stream),
            Call::Resubscribe => {
                self.unsubscribe(now, stream);
                self.resubscribe(now, stream);
            }
            Call::ResubscribeOther => {
                let other = self.streams().find(|other| *other != stream).cloned();
                if let Some(other) = other {
                    self.call(now, Call::Resubscribe, &other);
                }
            }
            Call::Reconnect => {
                self.session.close(now);
                self.session.connect(now);
            }
            Call::Connect => self.session.connect(now),
            Call::Hide => self.session.handle_hide(now),
            Call::Wake => self.session.handle_wake(now),
        }
    }

    /// Subscribes to what it had unsubscribed from.
    pub fn resubscribe(&mut self, now: Instant, stream: &StreamName) {
        if self.reader(stream).is_none() {
            let options = self.options(stream).clone();
            self.subscribe(now, options);
        }
    }

    fn subscribe(&mut self, now: Instant, options: SubscribeOptions) {
        let (stream, from) = (options.stream.clone(), options.from.clone());
        let subscription = self.session.subscribe(now, options).expect("a stream that is not subscribed");
        self.readers.push(Reader {
            stream,
            subscription: Some(subscription),
            from,
            seen: Vec::new(),
            noted: 0,
            epoch: None,
            queue: VecDeque::new(),
            running: BTreeMap::new(),
        });
    }

    fn unsubscribe(&mut self, now: Instant, stream: &StreamName) {
        let open = |reader: &&mut Reader| reader.stream == *stream && reader.subscription.is_some();
        let Some(reader) = self.readers.iter_mut().find(open) else { return };
        reader.queue.clear();
        reader.running.clear();
        let subscription = reader.subscription.take().expect("it is open");
        self.session.unsubscribe(now, subscription);
    }

    fn publish(&mut self, now: Instant, stream: &StreamName) {
        let number = self.publications.len() + 1;
        let id = EventId::new(&format!("{}.{}.{number}", self.consumer, self.life)).expect("an id");
        let (event_type, data) = (EventType::new("published").expect("a type"), RawValue::NULL.to_owned());
        let publish = Publish { stream: stream.clone(), id: id.clone(), event_type, data, meta: Meta::new() };
        let fields = serde_json::to_string(&publish).expect("JSON");
        let text = format!("{{\"type\":\"publish\",{}", &fields[1..]);
        let bytes = text.len();
        match self.session.publish(now, (id.clone(), stream.clone()), Payload::Message(text.into()), bytes) {
            Ok(()) => self.publications.push(Publication { stream: stream.clone(), id, answers: 0 }),
            Err(PublishError::OutboxFull) => {
                assert_eq!(self.session.stats().outbox as usize, self.app.config.max_outbox, "the outbox is not full");
            }
            Err(error) => panic!("a publish was refused: {error:?}"),
        }
    }

    // --- outputs ---

    /// Drains the session, and starts handlers, whose doings `decide` knows.
    pub fn drain(&mut self, now: Instant, decide: &dyn Fn(&Self, &Event) -> Handling) -> Vec<Wish> {
        let mut wishes = Vec::new();
        loop {
            while let Some(notice) = self.session.poll_notice() {
                wishes.extend(self.notice(notice));
            }
            if !(0..self.readers.len()).any(|reader| self.hand_over(now, reader, decide, &mut wishes)) {
                break;
            }
        }
        while let Some(transmit) = self.session.poll_transmit() {
            wishes.push(match transmit {
                Transmit::Open { socket } => Wish::Open(socket),
                Transmit::Close { socket, .. } => Wish::Close(socket),
                Transmit::Frame { socket, frame } => {
                    let text = frame.to_json();
                    if let ClientFrame::Ack(ack) = frame {
                        self.acks.push(ack);
                    }
                    Wish::Send(socket, text)
                }
                Transmit::Token => Wish::Token,
                Transmit::Publish { socket, message: Payload::Message(text) } => Wish::Send(socket, text.to_string()),
                Transmit::Publish { message: Payload::Events(_), .. } => unreachable!("messages are texts"),
            });
        }
        while let Some(checkpoint) = self.session.poll_checkpoint() {
            self.storage = checkpoint.clone();
        }
        wishes
    }

    /// Hands events of one subscription to its handlers, as far as they take any. Whether anything was called.
    fn hand_over(
        &mut self,
        now: Instant,
        index: usize,
        decide: &dyn Fn(&Self, &Event) -> Handling,
        wishes: &mut Vec<Wish>,
    ) -> bool {
        let mut any = false;
        // What is done at once is reported as a run, as the SDK does: its delivery, and (after, upto].
        let mut handled: Option<(u64, SubscriptionId, Seq, Seq)> = None;
        while self.readers[index].running.len() < self.app.concurrency {
            let reader = &mut self.readers[index];
            let (Some((run, event)), Some(subscription)) = (reader.queue.pop_front(), reader.subscription) else {
                break;
            };
            any = true;
            let handling = decide(self, &event);
            if handled.is_some_and(|(known, ..)| known != run) || handling.call.is_some() || !handling.is_done() {
                self.report(now, handled.take());
            }
            let number = self.begin(index, event);
            if let Some(call) = handling.call {
                let stream = self.readers[index].stream.clone();
                self.call(now, call, &stream);
            }
            if handling.after.is_some() || handling.hangs {
                wishes.push(Wish::Handle(index, number, handling));
            } else if handling.throws {
                self.finish(now, self.life, index, number, handling);
            } else if let Some(event) = self.readers[index].running.remove(&number) {
                self.readers[index].outcome(&event, handling);
                let after = handled.map_or(event.seq.before(), |(_, _, after, _)| after);
                handled = Some((run, subscription, after, event.seq));
            }
        }
        self.report(now, handled);
        any
    }

    fn begin(&mut self, index: usize, event: Event) -> u64 {
        let reader = &mut self.readers[index];
        let Event { seq, id, attempt, .. } = event.clone();
        let epoch = reader.epoch.clone().expect("an event has an epoch");
        reader.seen.push(Seen::Began { epoch, seq, id, attempt });
        self.handlers += 1;
        reader.running.insert(self.handlers, event);
        self.handlers
    }

    fn report(&mut self, now: Instant, handled: Option<(u64, SubscriptionId, Seq, Seq)>) {
        let Some((_, subscription, after, upto)) = handled else { return };
        if let Some(range) = SeqRange::new(after, upto) {
            self.session.settle_run(now, subscription, range);
        }
    }

    fn notice(&mut self, notice: Notice<Payload>) -> Option<Wish> {
        let of = |subscription: SubscriptionId| move |reader: &&mut Reader| reader.subscription == Some(subscription);
        match notice {
            Notice::Deliver { subscription, payload: Payload::Events(events), start, end } => {
                let reader = self.readers.iter_mut().find(of(subscription))?;
                self.deliveries += 1;
                let run = events[start as usize..end as usize].iter().cloned();
                reader.queue.extend(run.map(|event| (self.deliveries, event)));
            }
            Notice::Deliver { payload: Payload::Message(_), .. } => unreachable!("events come as events"),
            Notice::Subscribed { subscription, epoch, after, .. } => {
                let reader = self.readers.iter_mut().find(of(subscription))?;
                reader.epoch = Some(epoch.clone());
                reader.seen.push(Seen::Subscribed { epoch, after });
            }
            Notice::Lost { subscription, range, reason } => {
                let positions = self.session.position(subscription);
                let reader = self.readers.iter_mut().find(of(subscription))?;
                reader.queue.retain(|(_, event)| !range.contains(event.seq));
                reader.running.retain(|_, event| !range.contains(event.seq));
                // The first `lost` of a subscription comes before it is told that it is subscribed.
                let epoch =
                    reader.epoch.clone().or(positions.and_then(|at| at.epoch)).expect("a lost range has an epoch");
                reader.seen.push(Seen::Lost { epoch, range, reason });
            }
            Notice::Reset { subscription, position, .. } => {
                let reader = self.readers.iter_mut().find(of(subscription))?;
                reader.queue.clear();
                reader.running.clear();
                reader.epoch = Some(position.epoch.clone());
                reader.seen.push(Seen::Reset { position });
            }
            Notice::Ended { subscription, .. } => {
                self.readers.iter_mut().find(of(subscription))?.seen.push(Seen::Ended);
            }
            Notice::Published { id, stream, .. } => self.answered(&stream, &id),
            Notice::Rejected { id, stream, code, .. } => {
                assert_eq!(code, ErrorCode::StreamEnded, "{stream}: the publish {id} was refused for good");
                self.answered(&stream, &id);
            }
            Notice::State { current: State::Failed, reason: StateReason::SocketClosed { code: 4409, .. }, .. } => {
                self.is_replaced = true;
            }
            Notice::State { current: State::Failed, .. } => return Some(Wish::GaveUp),
            Notice::State { .. } | Notice::Gap { .. } | Notice::Repaired { .. } | Notice::Flushed => {}
            Notice::Error { code, message, .. } => assert_eq!(code, "token_failed", "{message}"),
        }
        None
    }

    fn answered(&mut self, stream: &StreamName, id: &EventId) {
        let asked = |publication: &&mut Publication| publication.stream == *stream && publication.id == *id;
        let publication = self.publications.iter_mut().find(asked).expect("an answer to what was published");
        publication.answers += 1;
        assert_eq!(publication.answers, 1, "{stream}: the publish {id} was answered again");
    }
}
