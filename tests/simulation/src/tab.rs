//! A browser tab: the real `Session`, and an application that handles events as the SDK does.

use ackwire::base::{Instant, Rng};
use ackwire::deliver::Entry;
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, IdHasher, Notice, Positions, Session, SocketId, State, StateReason,
    SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{
    ClientFrame, ClientSession, ConsumerId, ErrorCode, Event, EventId, EventsFrame, Priority, ServerFrame, SessionId,
    StreamName, decode_events, decode_server,
};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::clock::Clock;
use crate::reader::{Arrived, Reader, Waiting};
use crate::seen::{Handling, Seen};

/// What the core never looks into.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A frame's events.
    Events(Rc<Vec<Arrived>>),
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
    /// Frames that were sent since the checks looked, but for publishes.
    pub frames: Vec<ClientFrame>,
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
    pub(crate) app: App,
    is_replaced: bool,
    /// Under this name it numbers its connections, in all its lives [AW-CONN-5].
    numbers: SessionId,
    /// How many it has opened.
    opened: u64,
    hasher: IdHasher,
    storage: Checkpoint,
    /// The newest socket, and how many publishes were sent on it and not answered.
    publishing: (SocketId, usize),
    pub(crate) handlers: u64,
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
            frames: Vec::new(),
            stood: Vec::new(),
            clock,
            frozen_until: Instant::default(),
            timer: 0,
            armed: None,
            rng,
            app,
            is_replaced: false,
            numbers: SessionId::new(&format!("{key:016x}")).expect("a session's id"),
            opened: 0,
            hasher: IdHasher::new(key, !key),
            storage: Checkpoint::default(),
            publishing: (0, 0),
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
        self.frames.clear();
        self.stood.clear();
        self.armed = None;
        let text = self.storage.to_text();
        let session = Some(ClientSession { id: self.numbers.clone(), connection: self.opened });
        let config = Config { session, ..self.app.config.clone() };
        self.session = Session::new(config, Checkpoint::from_text(&text), seed);
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

    /// What it keeps for its page's next life.
    pub fn storage(&self) -> &Checkpoint {
        &self.storage
    }

    /// How many publishes were sent on the newest socket and not answered.
    pub fn unanswered(&self) -> usize {
        self.publishing.1
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
            let EventsFrame { after, upto, requeued, events, .. } = frame;
            let arrived =
                |event: Event| Arrived { bytes: Entry::new(event.clone()).bytes(), is_requeued: requeued, event };
            let payload = Payload::Events(Rc::new(events.into_iter().map(arrived).collect()));
            let batch = Batch { after, upto, requeued, heads: &heads, payload };
            self.session.handle_events(now, socket, &frame.stream, batch);
            return;
        }
        match decode_server(text) {
            Ok(Some(frame)) => {
                match &frame {
                    ServerFrame::Published { .. } | ServerFrame::Rejected { .. } if self.publishing.0 == socket => {
                        self.publishing.1 -= 1;
                    }
                    // Also if the page holds what is lost, and will hand it over.
                    ServerFrame::Lost { stream, range } => {
                        let of_it = |reader: &&mut Reader| reader.stream == *stream && reader.subscription.is_some();
                        if let Some(reader) = self.readers.iter_mut().find(of_it) {
                            reader.feed_start = reader.feed_start.max(range.upto);
                        }
                    }
                    _ => {}
                }
                self.session.handle_frame(now, socket, frame);
            }
            Ok(None) => self.session.handle_unknown(now, socket),
            Err(error) => panic!("the server wrote what nobody can read: {error}: {text}"),
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
                Transmit::Open { socket } => {
                    self.publishing = (socket, 0);
                    self.opened += 1;
                    Wish::Open(socket)
                }
                Transmit::Close { socket, .. } => Wish::Close(socket),
                Transmit::Frame { socket, frame } => {
                    let text = frame.to_json();
                    self.frames.push(frame);
                    Wish::Send(socket, text)
                }
                Transmit::Token => Wish::Token,
                Transmit::Publish { socket, message: Payload::Message(text) } => {
                    assert_eq!(socket, self.publishing.0, "a publish goes over the newest socket");
                    self.publishing.1 += 1;
                    Wish::Send(socket, text.to_string())
                }
                Transmit::Publish { message: Payload::Events(_), .. } => unreachable!("messages are texts"),
            });
        }
        while let Some(checkpoint) = self.session.poll_checkpoint() {
            self.storage = checkpoint.clone();
        }
        wishes
    }

    fn notice(&mut self, notice: Notice<Payload>) -> Option<Wish> {
        let of = |subscription: SubscriptionId| move |reader: &&mut Reader| reader.subscription == Some(subscription);
        match notice {
            Notice::Deliver { subscription, payload: Payload::Events(events), start, end } => {
                let reader = self.readers.iter_mut().find(of(subscription))?;
                self.deliveries += 1;
                for arrived in events[start as usize..end as usize].iter().cloned() {
                    reader.arrivals += 1;
                    reader.queue.push_back(Waiting { run: self.deliveries, number: reader.arrivals, arrived });
                }
            }
            Notice::Deliver { payload: Payload::Message(_), .. } => unreachable!("events come as events"),
            Notice::Subscribed { subscription, epoch, after, .. } => {
                let delivered = self.session.position(subscription)?.delivered;
                let reader = self.readers.iter_mut().find(of(subscription))?;
                reader.feed_start = delivered;
                reader.epoch = Some(epoch.clone());
                reader.seen.push(Seen::Subscribed { epoch, after });
            }
            Notice::Lost { subscription, range, reason } => {
                let positions = self.session.position(subscription);
                let reader = self.readers.iter_mut().find(of(subscription))?;
                reader.queue.retain(|waiting| !range.contains(waiting.arrived.event.seq));
                reader.running.retain(|_, arrived| !range.contains(arrived.event.seq));
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
            Notice::Error { code, message, .. } => assert_eq!(code.as_str(), "token_failed", "{message}"),
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
