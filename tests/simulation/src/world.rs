//! Tabs, a server, and the network between them, on virtual time.

use ackwire::base::{Duration, Instant, Rng};
use ackwire::deliver::Reported;
use ackwire::receive::{Config as ClientConfig, SocketId, SubscribeOptions};
use ackwire::wire::{ConsumerId, EventId, Priority, Seq, StreamName};
use std::collections::BTreeMap;

use crate::check::Check;
use crate::profile::Profile;
use crate::server::{Say, Server};
use crate::tab::{Handling, Tab, Wish};

/// A world's clock does not begin at zero: no rule may rest on it.
const START_MS: u64 = 1_000_000;

/// So many steps at one moment are no progress.
const MAX_STANDSTILL: u32 = 200_000;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    Opened { tab: usize, life: u32, socket: SocketId, connection: u64 },
    ToServer { connection: u64, text: String },
    ToClient { connection: u64, text: String },
    ServerClosed { connection: u64 },
    ClientClosed { connection: u64, code: u16 },
    Handled { tab: usize, life: u32, reader: usize, number: u64, ok: bool },
    Save,
    Trouble,
    Produce,
}

/// A socket's two ends.
#[derive(Clone, Debug)]
struct Wire {
    tab: usize,
    life: u32,
    socket: SocketId,
    /// When the last text arrives, in each direction: a WebSocket keeps its order.
    last_up: Instant,
    last_down: Instant,
    /// Nothing gets through, and nobody is told.
    dead: bool,
    client_gone: bool,
    server_gone: bool,
}

/// Everything. One seed, one story.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub now: Instant,
    /// The server.
    pub server: Server,
    /// The tabs.
    pub tabs: Vec<Tab>,
    /// What the network and the handlers do.
    pub profile: Profile,
    /// Whether to print what happens, for people.
    pub trace: bool,
    rng: Rng,
    events: BTreeMap<(Instant, u64), Event>,
    order: u64,
    wires: BTreeMap<u64, Wire>,
    next_connection: u64,
    produced: u64,
    server_down_until: Option<Instant>,
    /// Steps since the time last moved.
    standstill: u32,
    check: Check,
}

impl World {
    /// A server with these streams, and nobody connected.
    pub fn new(seed: u64, profile: Profile, streams: &[&str]) -> Self {
        let streams = streams.iter().map(|name| StreamName::new(name).expect("a stream's name"));
        Self {
            now: Instant::from_millis(START_MS),
            server: Server::new(streams, profile.delivery, seed),
            tabs: Vec::new(),
            profile,
            trace: false,
            rng: Rng::new(seed),
            events: BTreeMap::new(),
            order: 0,
            wires: BTreeMap::new(),
            next_connection: 1,
            produced: 0,
            server_down_until: None,
            standstill: 0,
            check: Check::default(),
        }
    }

    /// A tab that loads now and subscribes.
    pub fn open_tab(&mut self, consumer: &str, subscribe: Vec<SubscribeOptions>) -> usize {
        let config = ClientConfig::new(ConsumerId::new(consumer).expect("a consumer's name"));
        let mut tab = Tab::new(config, subscribe, self.rng.next_u64());
        tab.load(self.now, self.rng.next_u64());
        self.tabs.push(tab);
        let index = self.tabs.len() - 1;
        self.drain_tab(index);
        index
    }

    // --- what a test, or a seed, does ---

    /// A producer appends events.
    pub fn produce(&mut self, stream: &str, count: usize) {
        for _ in 0..count {
            self.produced += 1;
            let id = EventId::new(&format!("id{}", self.produced)).expect("an id");
            self.append(stream, id, Priority::Normal);
        }
    }

    /// A producer appends one event.
    pub fn append(&mut self, stream: &str, id: EventId, priority: Priority) -> Option<Seq> {
        let gap = if self.rng.up_to(99) < u64::from(self.profile.sparse) { self.rng.up_to(4) } else { 0 };
        let (name, log) = self.server.logs.iter_mut().find(|(name, _)| name.as_str() == stream).expect("a stream");
        let (name, seq) = (name.clone(), log.append(id, priority, gap));
        self.log_moved(&name);
        seq
    }

    /// A stream is complete.
    pub fn end(&mut self, stream: &str) {
        let name = StreamName::new(stream).expect("a stream's name");
        self.server.logs.get_mut(&name).expect("a stream").end();
        self.log_moved(&name);
    }

    /// Retention takes all but the last `keep` events.
    pub fn trim(&mut self, stream: &str, keep: usize) {
        let name = StreamName::new(stream).expect("a stream's name");
        self.server.logs.get_mut(&name).expect("a stream").trim(keep);
        self.log_moved(&name);
    }

    /// Both ends notice that the connection is gone; what is under way is lost.
    pub fn cut(&mut self, tab: usize) {
        for connection in self.connections_of(tab) {
            self.note(|| format!("cut {connection}"));
            self.wire(connection).dead = true;
            self.at(Duration::ZERO, Event::ServerClosed { connection });
            self.at(Duration::ZERO, Event::ClientClosed { connection, code: 1006 });
        }
    }

    /// Nothing gets through any more, and nobody is told.
    pub fn half_open(&mut self, tab: usize) {
        for connection in self.connections_of(tab) {
            self.note(|| format!("half-open {connection}"));
            self.wire(connection).dead = true;
        }
    }

    /// The page is reloaded: handlers and what was not stored are gone.
    pub fn reload(&mut self, tab: usize) {
        self.note(|| format!("reload tab {tab}"));
        for connection in self.connections_of(tab) {
            self.wire(connection).client_gone = true;
            self.at(Duration::ZERO, Event::ServerClosed { connection });
        }
        self.tabs[tab].load(self.now, self.rng.next_u64());
        self.drain_tab(tab);
    }

    /// The server is killed and comes back after `down`. What its trackers had not saved is gone; of its logs, the last
    /// `lost` events of each.
    pub fn crash_server(&mut self, down: Duration, lost: usize) {
        self.note(|| format!("server crash, {lost} events lost"));
        for connection in self.server.crash() {
            let wire = self.wire(connection);
            wire.server_gone = true;
            wire.dead = true;
            self.at(Duration::ZERO, Event::ClientClosed { connection, code: 1006 });
        }
        if lost > 0 {
            self.server.logs.values_mut().for_each(|log| log.lose_tail(lost));
        }
        self.server_down_until = Some(self.now + down);
    }

    /// The network is back, or the page visible.
    pub fn wake(&mut self, tab: usize) {
        let now = self.now;
        self.tabs[tab].session.handle_wake(now);
        self.drain_tab(tab);
    }

    /// Begins what the profile brings about by itself, until `heal`.
    pub fn unleash(&mut self) {
        self.at(Duration::ZERO, Event::Trouble);
        self.at(Duration::ZERO, Event::Produce);
        self.at(Duration::ZERO, Event::Save);
    }

    /// From now on the network is good and every handler succeeds at once.
    pub fn heal(&mut self) {
        self.note(|| "heal".into());
        self.profile = self.profile.healed();
        self.server_down_until = None;
    }

    // --- time ---

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until nothing is open, at most this long. Whether it came to rest.
    pub fn run_until_settled(&mut self, at_most: Duration) -> bool {
        let end = self.now + at_most;
        while !self.is_settled() {
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    /// Everything in the logs is applied, lost or dead for every tab's streams, and the server knows it.
    pub fn is_settled(&self) -> bool {
        self.tabs.iter().filter(|tab| !tab.is_replaced()).all(|tab| {
            tab.readers.iter().all(|reader| {
                let tail = self.server.logs[&reader.stream].tail();
                let feed = self.server.feeds.get(&(reader.stream.clone(), tab.consumer.clone()));
                let delivered = tab.session.position(reader.subscription);
                let here = delivered.is_some_and(|at| {
                    at.epoch.as_ref() == Some(&tail.epoch) && at.confirmed >= tail.head && at.delivered >= tail.head
                });
                let there = feed.is_some_and(|feed| {
                    feed.is_attached()
                        && *feed.tracker().epoch() == tail.epoch
                        && feed.tracker().unsettled() == 0
                        && feed.sent_upto() >= Some(tail.head)
                        && feed.outstanding() == 0
                        && feed.tracker().reported() == Reported { received: tail.head, delivered: tail.head }
                });
                here && there
            })
        })
    }

    /// The rest that only holds once everything has settled; the others are checked after every step.
    pub fn check_settled(&mut self) {
        let check = std::mem::take(&mut self.check);
        check.settled(self);
        self.check = check;
    }

    fn step(&mut self, end: Instant) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let server = self.server.poll_timeout().filter(|_| self.server_is_up());
        let tab = self.tabs.iter().filter_map(|tab| tab.session.poll_timeout()).min();
        let Some(at) = [event, server, tab].into_iter().flatten().min().filter(|at| *at <= end) else { return false };
        self.standstill = if at > self.now { 0 } else { self.standstill + 1 };
        assert!(self.standstill < MAX_STANDSTILL, "the two ends keep each other busy, and no time passes");
        self.now = self.now.max(at);
        if event == Some(at) {
            if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        } else if server == Some(at) {
            let say = self.server.handle_timeout(self.now);
            self.say(say);
        } else if let Some(index) = self.tabs.iter().position(|tab| tab.session.poll_timeout() == Some(at)) {
            let now = self.now;
            self.tabs[index].session.handle_timeout(now);
            self.drain_tab(index);
        }
        let mut check = std::mem::take(&mut self.check);
        check.step(self);
        self.check = check;
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Opened { tab, life, socket, connection } => {
                if self.tabs[tab].life == life && !self.wire(connection).client_gone {
                    let now = self.now;
                    self.tabs[tab].session.handle_open(now, socket);
                    self.drain_tab(tab);
                }
            }
            Event::ToServer { connection, text } => {
                let wire = self.wire(connection);
                if !wire.dead && !wire.server_gone && self.server_is_up() {
                    self.note(|| format!("→ {connection} {text}"));
                    let say = self.server.handle_text(self.now, connection, &text);
                    self.say(say);
                }
            }
            Event::ToClient { connection, text } => {
                let Wire { tab, life, socket, dead, client_gone, .. } = *self.wire(connection);
                if !dead && !client_gone && self.tabs[tab].life == life {
                    self.note(|| format!("← {connection} {text}"));
                    let now = self.now;
                    self.tabs[tab].handle_text(now, socket, &text);
                    self.drain_tab(tab);
                }
            }
            Event::ServerClosed { connection } => {
                self.wire(connection).server_gone = true;
                self.server.handle_closed(connection);
            }
            Event::ClientClosed { connection, code } => {
                let Wire { tab, life, socket, client_gone, .. } = *self.wire(connection);
                self.wire(connection).client_gone = true;
                if !client_gone && self.tabs[tab].life == life {
                    let now = self.now;
                    self.tabs[tab].session.handle_closed(now, socket, code, "");
                    self.drain_tab(tab);
                }
            }
            Event::Handled { tab, life, reader, number, ok } => {
                let now = self.now;
                self.tabs[tab].finish(now, life, reader, number, ok);
                self.drain_tab(tab);
            }
            Event::Save => {
                self.server.save();
                self.at(self.profile.save_every, Event::Save);
            }
            Event::Produce => {
                if let Some(every) = self.profile.produce_every {
                    let streams: Vec<StreamName> = self.server.logs.keys().cloned().collect();
                    let stream = &streams[self.rng.up_to(streams.len() as u64 - 1) as usize];
                    let count = 1 + self.rng.up_to(self.profile.burst);
                    self.produce(stream, count as usize);
                    let wait = Duration::from_millis(self.rng.up_to(every.as_millis() * 2));
                    self.at(wait, Event::Produce);
                }
            }
            Event::Trouble => {
                if let Some(every) = self.profile.trouble_every {
                    self.trouble();
                    let wait = Duration::from_millis(self.rng.up_to(every.as_millis() * 2));
                    self.at(wait, Event::Trouble);
                }
            }
        }
    }

    /// One thing goes wrong.
    fn trouble(&mut self) {
        let tab = self.rng.up_to(self.tabs.len() as u64 - 1) as usize;
        let Some(trouble) = self.profile.troubles.get(self.rng.up_to(self.profile.troubles.len() as u64 - 1) as usize)
        else {
            return;
        };
        match *trouble {
            Trouble::Cut => self.cut(tab),
            Trouble::HalfOpen => self.half_open(tab),
            Trouble::Reload => self.reload(tab),
            Trouble::Wake => self.wake(tab),
            Trouble::Crash => {
                let down = Duration::from_millis(self.rng.up_to(3000));
                self.crash_server(down, 0);
            }
            Trouble::CrashLosing => {
                let (down, lost) = (Duration::from_millis(self.rng.up_to(3000)), self.rng.up_to(5) as usize);
                self.crash_server(down, lost);
            }
            Trouble::Trim => {
                let streams: Vec<StreamName> = self.server.logs.keys().cloned().collect();
                let stream = &streams[self.rng.up_to(streams.len() as u64 - 1) as usize];
                let keep = self.rng.up_to(20) as usize;
                self.trim(stream, keep);
            }
            Trouble::Repeat => {
                // A producer that had no answer appends again, under the same id.
                let again = 1 + self.rng.up_to(self.produced.max(1) - 1);
                let streams: Vec<StreamName> = self.server.logs.keys().cloned().collect();
                let stream = &streams[self.rng.up_to(streams.len() as u64 - 1) as usize];
                self.append(stream, EventId::new(&format!("id{again}")).expect("an id"), Priority::Normal);
            }
        }
    }

    // --- the network ---

    fn drain_tab(&mut self, tab: usize) {
        loop {
            let wishes = self.tabs[tab].drain();
            if wishes.is_empty() {
                return;
            }
            let life = self.tabs[tab].life;
            for wish in wishes {
                match wish {
                    Wish::Open(socket) => self.open(tab, life, socket),
                    Wish::Send(socket, text) => self.send_up(tab, life, socket, text),
                    Wish::Close(socket) => self.close_from_client(tab, life, socket),
                    Wish::Token => {
                        let now = self.now;
                        self.tabs[tab].session.handle_token(now, Some("token".into()));
                    }
                    Wish::Handle(reader, number) => {
                        let (after, ok) = match self.profile.handling(&mut self.rng) {
                            Handling::Succeeds(after) => (after, true),
                            Handling::Throws(after) => (after, false),
                            Handling::Hangs => continue,
                        };
                        self.at(after, Event::Handled { tab, life, reader, number, ok });
                    }
                }
            }
        }
    }

    fn open(&mut self, tab: usize, life: u32, socket: SocketId) {
        let connection = self.next_connection;
        self.next_connection += 1;
        let now = self.now;
        let fresh = Wire {
            tab,
            life,
            socket,
            last_up: now,
            last_down: now,
            dead: false,
            client_gone: false,
            server_gone: false,
        };
        self.wires.insert(connection, fresh);
        let delay = self.profile.delay(&mut self.rng);
        if self.server_is_up() {
            self.at(delay, Event::Opened { tab, life, socket, connection });
        } else {
            self.wire(connection).dead = true;
            self.at(delay, Event::ClientClosed { connection, code: 1006 });
        }
    }

    fn send_up(&mut self, tab: usize, life: u32, socket: SocketId, text: String) {
        let delay = self.profile.delay(&mut self.rng);
        let now = self.now;
        let Some((&connection, wire)) =
            self.wires.iter_mut().rev().find(|(_, wire)| wire.tab == tab && wire.life == life && wire.socket == socket)
        else {
            return;
        };
        wire.last_up = wire.last_up.max(now + delay);
        let at = wire.last_up;
        self.push(at, Event::ToServer { connection, text });
    }

    fn close_from_client(&mut self, tab: usize, life: u32, socket: SocketId) {
        for connection in self.connections_of(tab) {
            let wire = self.wire(connection);
            if wire.life == life && wire.socket == socket {
                wire.client_gone = true;
                let at = wire.last_up;
                if !wire.dead {
                    self.push(at, Event::ServerClosed { connection });
                }
            }
        }
    }

    fn say(&mut self, say: Vec<Say>) {
        for say in say {
            match say {
                Say::Close(connection, code) => {
                    let at = self.wire(connection).last_down.max(self.now);
                    self.wire(connection).server_gone = true;
                    self.push(at, Event::ClientClosed { connection, code });
                }
                Say::Send(connection, text, is_events) => {
                    let delay = self.profile.delay(&mut self.rng);
                    let copies = if is_events { self.profile.copies(&mut self.rng) } else { 1 };
                    for _ in 0..copies {
                        let late = if is_events { self.profile.overtake(&mut self.rng) } else { Duration::ZERO };
                        let now = self.now;
                        let wire = self.wire(connection);
                        let at = wire.last_down.max(now + delay);
                        if late == Duration::ZERO {
                            wire.last_down = at;
                        }
                        // What is late was held back behind the socket, not in it: later frames overtake it.
                        self.push(at + late, Event::ToClient { connection, text: text.clone() });
                    }
                }
            }
        }
    }

    fn log_moved(&mut self, stream: &StreamName) {
        if self.server_is_up() {
            let say = self.server.handle_tail(self.now, stream);
            self.say(say);
        }
    }

    fn server_is_up(&self) -> bool {
        self.server_down_until.is_none_or(|until| until <= self.now)
    }

    /// Connections whose client has not gone.
    fn connections_of(&self, tab: usize) -> Vec<u64> {
        let life = self.tabs[tab].life;
        let mine = |wire: &Wire| wire.tab == tab && wire.life == life && !wire.client_gone;
        self.wires.iter().filter(|(_, wire)| mine(wire)).map(|(id, _)| *id).collect()
    }

    fn wire(&mut self, connection: u64) -> &mut Wire {
        self.wires.get_mut(&connection).expect("a wire for each connection")
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.push(self.now + after, event);
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), event);
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>8} {}", self.now.as_millis() - START_MS, what());
        }
    }
}

/// What can go wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A connection breaks.
    Cut,
    /// A connection dies without a word.
    HalfOpen,
    /// A page is reloaded.
    Reload,
    /// A page wakes.
    Wake,
    /// The server is killed.
    Crash,
    /// The server is killed, and its log loses its tail.
    CrashLosing,
    /// Retention takes events.
    Trim,
    /// A producer repeats an id.
    Repeat,
}
