//! A browser tab: the real `Session`, and an application that handles events one after another, as the SDK does.

use ackwire::base::{Duration, Instant};
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, IdHasher, Notice, Outcome, Session, SocketId, State, SubscribeOptions,
    SubscriptionId, Transmit,
};
use ackwire::wire::{
    ConsumerId, Epoch, Event, EventId, LostReason, Position, Priority, Seq, SeqRange, StreamName, decode_events,
    decode_server,
};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// What a handler does with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Succeeds after this time.
    Succeeds(Duration),
    /// Throws after this time.
    Throws(Duration),
    /// Never settles.
    Hangs,
}

/// What an application saw of one stream in one page life, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A handler began.
    Began {
        /// In this log.
        epoch: Epoch,
        /// At this place.
        seq: Seq,
        /// Which event.
        id: EventId,
        /// Which delivery.
        attempt: u32,
    },
    /// A handler succeeded.
    Applied {
        /// In this log.
        epoch: Epoch,
        /// At this place.
        seq: Seq,
        /// Which event.
        id: EventId,
    },
    /// Declared lost.
    Lost {
        /// In this log.
        epoch: Epoch,
        /// What.
        range: SeqRange,
        /// Why.
        reason: LostReason,
    },
    /// The position is void.
    Reset {
        /// The position now.
        position: Position,
    },
    /// The stream is complete.
    Ended,
}

/// One stream in one page life.
#[derive(Debug)]
pub struct Reader {
    /// Its name.
    pub stream: StreamName,
    /// How the session names it.
    pub subscription: SubscriptionId,
    /// What the application saw.
    pub seen: Vec<Seen>,
    epoch: Option<Epoch>,
    queue: VecDeque<Event>,
    running: Option<(Event, u64)>,
}

impl Reader {
    /// Which events were applied, in order.
    pub fn applied(&self) -> impl Iterator<Item = &EventId> {
        self.seen.iter().filter_map(|seen| match seen {
            Seen::Applied { id, .. } => Some(id),
            _ => None,
        })
    }
}

/// A tab in one page life after another.
#[derive(Debug)]
pub struct Tab {
    /// Whose confirmations are tracked.
    pub consumer: ConsumerId,
    /// Counts reloads: what belongs to an earlier life is not heard.
    pub life: u32,
    /// The core.
    pub session: Session<Rc<Vec<Event>>>,
    /// One for each stream of this life.
    pub readers: Vec<Reader>,
    /// What earlier lives saw, by stream.
    pub past: BTreeMap<StreamName, Vec<Vec<Seen>>>,
    hasher: IdHasher,
    storage: Checkpoint,
    handlers: u64,
    config: Config,
    subscribe: Vec<SubscribeOptions>,
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
    /// A handler runs: decide what it does, then call `finish` with this number.
    Handle(usize, u64),
}

impl Tab {
    /// A tab that connects.
    pub fn new(config: Config, subscribe: Vec<SubscribeOptions>, seed: u64) -> Self {
        Self {
            consumer: config.consumer.clone(),
            life: 0,
            session: Session::new(config.clone(), Checkpoint::default(), seed),
            readers: Vec::new(),
            past: BTreeMap::new(),
            hasher: IdHasher::new(seed, !seed),
            storage: Checkpoint::default(),
            handlers: 0,
            config,
            subscribe,
        }
    }

    /// The page loads, for the first time or again. A crash takes what was not stored.
    pub fn load(&mut self, now: Instant, seed: u64) {
        for reader in self.readers.drain(..) {
            self.past.entry(reader.stream).or_default().push(reader.seen);
        }
        self.life += 1;
        let text = self.storage.to_text();
        self.session = Session::new(self.config.clone(), Checkpoint::from_text(&text), seed);
        for options in self.subscribe.clone() {
            let stream = options.stream.clone();
            let subscription = self.session.subscribe(now, options).expect("streams are distinct");
            let seen = Vec::new();
            self.readers.push(Reader {
                stream,
                subscription,
                seen,
                epoch: None,
                queue: VecDeque::new(),
                running: None,
            });
        }
        self.session.connect(now);
    }

    /// What it asked for.
    pub fn options(&self, stream: &StreamName) -> &SubscribeOptions {
        self.subscribe.iter().find(|options| options.stream == *stream).expect("a stream of this tab")
    }

    /// Whether it was replaced by a tab of the same identity.
    pub fn is_replaced(&self) -> bool {
        self.session.state() == State::Failed
    }

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
            let payload = Rc::new(frame.events);
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
    pub fn finish(&mut self, now: Instant, life: u32, reader: usize, number: u64, ok: bool) {
        if life != self.life {
            return;
        }
        let reader = &mut self.readers[reader];
        let Some((event, _)) = reader.running.take_if(|(_, running)| *running == number) else { return };
        let outcome = if ok {
            let epoch = reader.epoch.clone().expect("an event has an epoch");
            reader.seen.push(Seen::Applied { epoch, seq: event.seq, id: event.id.clone() });
            Outcome::Confirmed
        } else {
            Outcome::Failed { error: "thrown".into(), retry: true }
        };
        self.session.settle(now, reader.subscription, event.seq, event.attempt, outcome);
    }

    /// Drains the session, and starts handlers.
    pub fn drain(&mut self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        while let Some(notice) = self.session.poll_notice() {
            self.notice(notice);
        }
        while let Some(transmit) = self.session.poll_transmit() {
            wishes.push(match transmit {
                Transmit::Open { socket } => Wish::Open(socket),
                Transmit::Close { socket, .. } => Wish::Close(socket),
                Transmit::Frame { socket, frame } => Wish::Send(socket, frame.to_json()),
                Transmit::Token => Wish::Token,
                Transmit::Publish { .. } => unreachable!("simulated tabs do not publish"),
            });
        }
        while let Some(checkpoint) = self.session.poll_checkpoint() {
            self.storage = checkpoint;
        }
        for (index, reader) in self.readers.iter_mut().enumerate() {
            if reader.running.is_some() {
                continue;
            }
            let Some(event) = reader.queue.pop_front() else { continue };
            self.handlers += 1;
            let Event { seq, id, attempt, .. } = event.clone();
            let epoch = reader.epoch.clone().expect("an event has an epoch");
            reader.seen.push(Seen::Began { epoch, seq, id, attempt });
            reader.running = Some((event, self.handlers));
            wishes.push(Wish::Handle(index, self.handlers));
        }
        wishes
    }

    fn notice(&mut self, notice: Notice<Rc<Vec<Event>>>) {
        let of = |subscription: SubscriptionId| move |reader: &&mut Reader| reader.subscription == subscription;
        match notice {
            Notice::Deliver { subscription, payload, start, end } => {
                let Some(reader) = self.readers.iter_mut().find(of(subscription)) else { return };
                reader.queue.extend(payload[start as usize..end as usize].iter().cloned());
            }
            Notice::Subscribed { subscription, epoch, .. } => {
                let Some(reader) = self.readers.iter_mut().find(of(subscription)) else { return };
                reader.epoch = Some(epoch);
            }
            Notice::Lost { subscription, range, reason } => {
                let positions = self.session.position(subscription);
                let Some(reader) = self.readers.iter_mut().find(of(subscription)) else { return };
                reader.queue.retain(|event| !range.contains(event.seq));
                reader.running.take_if(|(event, _)| range.contains(event.seq));
                // The first `lost` of a subscription comes before it is told that it is subscribed.
                let epoch =
                    reader.epoch.clone().or(positions.and_then(|at| at.epoch)).expect("a lost range has an epoch");
                reader.seen.push(Seen::Lost { epoch, range, reason });
            }
            Notice::Reset { subscription, position, .. } => {
                let Some(reader) = self.readers.iter_mut().find(of(subscription)) else { return };
                reader.queue.clear();
                reader.running = None;
                reader.epoch = Some(position.epoch.clone());
                reader.seen.push(Seen::Reset { position });
            }
            Notice::Ended { subscription, .. } => {
                let Some(reader) = self.readers.iter_mut().find(of(subscription)) else { return };
                reader.seen.push(Seen::Ended);
            }
            Notice::Error { code, message, .. } => {
                assert!(code != "server_misbehaved" && code != "protocol_violation", "{code}: {message}");
            }
            _ => {}
        }
    }
}
