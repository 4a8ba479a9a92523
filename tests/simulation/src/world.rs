//! Everything, on virtual time: what happens next, and who is told.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{ReadRequest, Reported};
use ackwire::wire::{EventId, Priority, Seq, SeqRange, StreamName};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::agenda::Agenda;
use crate::check::Check;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::network::Network;
use crate::plan::{Act, Plan};
use crate::producer::{Batch, Producer};
use crate::seen::Handling;
use crate::server::{Key, Kind, Server};
use crate::tab::Tab;

/// A world's clock does not begin at zero: no rule may rest on it.
pub(crate) const START_MS: u64 = 1_000_000;

/// So many steps at one moment are no progress.
const MAX_STANDSTILL: u32 = 200_000;

/// How often a world that is to settle is looked at.
const GLANCE_EVERY: Duration = Duration::from_millis(100);

/// What happened, in lines. Whoever holds it can still read it when the story has broken off.
pub type Trace = Rc<RefCell<Vec<String>>>;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Act(Box<Act>),
    Opened { connection: u64 },
    ToServer { connection: u64, text: String },
    ToClient { connection: u64, text: String, kind: Kind },
    ServerClosed { connection: u64 },
    ClientClosed { connection: u64, code: u16 },
    Handled { tab: usize, life: u32, reader: usize, number: u64, handling: Handling },
    TabTimer { tab: usize, number: u64 },
    Token { tab: usize, life: u32, answer: Result<String, String> },
    Connect { tab: usize, life: u32 },
    ServerTimer { number: u64 },
    Recovered,
    Save,
    Read { life: u32, key: Key, request: ReadRequest },
    Saved { life: u32, key: Key, id: u64 },
    Retried { life: u32, key: Key, seq: Seq, attempt: u32 },
    Request { producer: usize, number: u64, batch: Batch },
    Answer { producer: usize, number: u64 },
    AskAgain { producer: usize, number: u64 },
}

/// Everything. One seed, one story.
#[derive(Debug)]
pub struct World {
    /// The true time. Each machine reads a clock of its own.
    pub now: Instant,
    /// The server.
    pub server: Server,
    /// The tabs.
    pub tabs: Vec<Tab>,
    /// What the network, the handlers, the clocks and the storage do.
    pub conditions: Conditions,
    /// What happened, for people; `None` if nobody wants to know.
    pub trace: Option<Trace>,
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) check: Check,
    pub(crate) server_clock: Clock,
    pub(crate) server_down_until: Instant,
    pub(crate) server_paused_until: Instant,
    pub(crate) sick_until: Instant,
    /// Tabs by their numbers in the plan.
    pub(crate) numbers: BTreeMap<usize, usize>,
    pub(crate) streams: Vec<StreamName>,
    pub(crate) producers: Vec<Producer>,
    pub(crate) server_timer: u64,
    pub(crate) server_armed: Option<Instant>,
    produced: u64,
    /// Steps since the time last moved.
    standstill: u32,
}

impl World {
    /// A server with these streams, and nobody connected.
    pub fn new(seed: u64, conditions: Conditions, streams: &[&str]) -> Self {
        let streams: Vec<StreamName> =
            streams.iter().map(|name| StreamName::new(name).expect("a stream's name")).collect();
        let now = Instant::from_millis(START_MS);
        Self {
            now,
            server: Server::new(streams.clone(), conditions.delivery, conditions.limits, seed),
            tabs: Vec::new(),
            conditions,
            trace: None,
            seed,
            network: Network::new(seed),
            agenda: Agenda::new(),
            check: Check::default(),
            server_clock: Clock::new(now, Instant::from_millis(1_700_000_000_000)),
            server_down_until: now,
            server_paused_until: now,
            sick_until: now,
            numbers: BTreeMap::new(),
            streams,
            producers: Vec::new(),
            server_timer: 0,
            server_armed: None,
            produced: 0,
            standstill: 0,
        }
    }

    /// Begins what a plan says.
    pub fn follow(&mut self, plan: Plan) {
        self.producers.resize_with(plan.producers, Producer::default);
        for act in plan.acts {
            self.at(act.at, Happening::Act(Box::new(act)));
        }
        self.at(Duration::ZERO, Happening::Save);
    }

    // --- what a story does ---

    /// A producer appends events, and nothing goes wrong.
    pub fn produce(&mut self, stream: &str, count: usize) {
        for _ in 0..count {
            self.produced += 1;
            let id = EventId::new(&format!("id{}", self.produced)).expect("an id");
            self.append(stream, id, Priority::Normal);
        }
    }

    /// A producer appends one event, and nothing goes wrong.
    pub fn append(&mut self, stream: &str, id: EventId, priority: Priority) -> Option<Seq> {
        let name = StreamName::new(stream).expect("a stream's name");
        let seq = self.server.logs.get_mut(&name).expect("a stream").append(id, priority, 0);
        self.log_moved(&name);
        seq
    }

    /// Has a producer append events, over the network.
    pub(crate) fn ask(&mut self, producer: usize, batch: Batch) {
        if self.producers[producer].push(batch) {
            self.request(producer);
        }
    }

    /// From now on the network is good and every handler succeeds at once.
    pub fn heal(&mut self) {
        self.note(|| "heal".into());
        self.conditions = self.conditions.healed();
        self.server_down_until = self.now;
        self.sick_until = self.now;
        self.server.is_sick = false;
        for tab in 0..self.tabs.len() {
            let now = self.tabs[tab].clock.read(self.now);
            for stream in self.tabs[tab].streams().cloned().collect::<Vec<_>>() {
                self.tabs[tab].resubscribe(now, &stream);
            }
            self.tabs[tab].armed = None;
            self.drain_tab(tab);
        }
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
            if self.now >= end {
                return false;
            }
            self.run_for(GLANCE_EVERY);
        }
        true
    }

    /// Everything in the logs is applied, lost or dead for every tab's streams, and the server knows it.
    pub fn is_settled(&self) -> bool {
        let is_settled = |tab: &Tab| {
            let answered = tab.publications.iter().all(|publication| publication.answers > 0);
            answered && tab.streams().all(|stream| self.is_stream_settled(tab, stream))
        };
        self.producers.iter().all(Producer::is_idle)
            && self.tabs.iter().filter(|tab| !tab.is_replaced()).all(is_settled)
    }

    fn is_stream_settled(&self, tab: &Tab, stream: &StreamName) -> bool {
        let key = (stream.clone(), tab.consumer.clone());
        let (tail, feed) = (self.server.logs[stream].tail(), self.server.feeds.get(&key));
        let Some(reader) = tab.reader(stream) else { return false };
        let position = reader.subscription.and_then(|subscription| tab.session.position(subscription));
        let here = position.is_some_and(|at| {
            // What somebody else has vouched for may still wait in the page that failed to apply it, and the page need not
            // hear of what it does not want.
            let open = SeqRange::new(at.confirmed, tail.head);
            let confirmed = self.check.is_accounted(&self.server.logs[stream], tab, stream, open);
            at.epoch.as_ref() == Some(&tail.epoch) && confirmed
        });
        let there = feed.is_some_and(|feed| {
            feed.is_attached()
                && *feed.tracker().epoch() == tail.epoch
                && feed.tracker().unsettled() == 0
                && feed.sent_upto() >= Some(tail.head)
                && feed.outstanding() == 0
                && feed.tracker().reported() == Reported { received: tail.head, delivered: tail.head }
        });
        here && there && reader.pending().next().is_none()
    }

    /// The rest that only holds once everything has settled; the others are checked after every step.
    pub fn check_settled(&mut self) {
        self.check.settled(&self.server, &self.tabs);
    }

    /// What is not settled, in words.
    pub fn unsettled(&self) -> String {
        let waiting = self.producers.iter().filter(|producer| !producer.is_idle()).count();
        let tabs = self.tabs.iter().filter(|tab| !tab.is_replaced());
        let lines = tabs.flat_map(|tab| {
            let open = tab.streams().filter(|stream| !self.is_stream_settled(tab, stream));
            open.map(|stream| {
                let feed = self.server.feeds.get(&(stream.clone(), tab.consumer.clone()));
                let feed = feed
                    .map(|feed| (feed.is_attached(), feed.tracker().unsettled(), feed.sent_upto(), feed.outstanding()));
                let held = tab.session.stats().subscriptions.into_iter().find(|held| held.stream == *stream);
                let tail = self.server.logs[stream].tail();
                format!(
                    "\n{} ({:?}), {stream}: {tail:?}, feed (attached, unsettled, sent, out) {feed:?}, page {held:?}",
                    tab.consumer,
                    tab.session.state()
                )
            })
        });
        format!("{waiting} producers wait{}", lines.collect::<String>())
    }

    fn step(&mut self, end: Instant) -> bool {
        let Some((place, happening)) = self.agenda.pop_until(end) else { return false };
        self.standstill = if place.0 > self.now { 0 } else { self.standstill + 1 };
        assert!(self.standstill < MAX_STANDSTILL, "the two ends keep each other busy, and no time passes");
        self.now = self.now.max(place.0);
        match self.put_off_until(&happening) {
            Some(until) if until > self.now => self.agenda.put_off(until, place, happening),
            _ => self.happen(happening),
        }
        self.arm_server();
        true
    }

    /// What is frozen, stalled or paused hears of things later.
    fn put_off_until(&mut self, happening: &Happening) -> Option<Instant> {
        match happening {
            Happening::Opened { connection } | Happening::ClientClosed { connection, .. } => {
                let tab = self.network.wire(*connection).tab;
                Some(self.tabs[tab].frozen_until)
            }
            Happening::ToClient { connection, .. } => {
                let wire = self.network.wire(*connection);
                Some(wire.stalled_until.max(self.tabs[wire.tab].frozen_until))
            }
            // What a page has sent before it closed is under way like everything.
            Happening::ToServer { connection, .. } | Happening::ServerClosed { connection } => {
                Some(self.network.wire(*connection).stalled_until.max(self.server_paused_until))
            }
            Happening::Handled { tab, .. }
            | Happening::TabTimer { tab, .. }
            | Happening::Token { tab, .. }
            | Happening::Connect { tab, .. } => Some(self.tabs[*tab].frozen_until),
            Happening::ServerTimer { .. }
            | Happening::Save
            | Happening::Read { .. }
            | Happening::Saved { .. }
            | Happening::Retried { .. }
            | Happening::Request { .. } => Some(self.server_paused_until),
            Happening::Act(_) | Happening::Recovered | Happening::Answer { .. } | Happening::AskAgain { .. } => None,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Act(act) => {
                self.note(|| format!("#{} {:?}", act.place, act.what));
                self.perform(act.what);
            }
            Happening::Opened { connection } => self.opened(connection),
            Happening::ToServer { connection, text } => self.reach_server(connection, &text),
            Happening::ToClient { connection, text, kind } => self.reach_client(connection, &text, &kind),
            Happening::ServerClosed { connection } => {
                self.network.wire(connection).server_gone = true;
                self.server.handle_closed(connection);
            }
            Happening::ClientClosed { connection, code } => {
                let wire = self.network.wire(connection);
                let (tab, life, socket, is_gone) = (wire.tab, wire.life, wire.socket, wire.client_gone);
                wire.client_gone = true;
                if !is_gone && self.tabs[tab].life == life {
                    self.note(|| format!("closed {connection} {code}"));
                    self.with_tab(tab, |tab, now| tab.session.handle_closed(now, socket, code, ""));
                }
            }
            Happening::Handled { tab, life, reader, number, handling } => {
                self.with_tab(tab, |tab, now| tab.finish(now, life, reader, number, handling));
            }
            Happening::TabTimer { tab, number } => {
                if self.tabs[tab].timer == number {
                    let early = self.tabs[tab].armed.take().filter(|(_, early)| *early);
                    self.with_tab(tab, |tab, now| tab.session.handle_timeout(now));
                    if let Some((due, _)) = early
                        && self.tabs[tab].session.poll_timeout() == Some(due)
                    {
                        self.arm_exactly(tab, due);
                    }
                }
            }
            Happening::Token { tab, life, answer } => {
                if self.tabs[tab].life == life {
                    self.with_tab(tab, |tab, now| match answer {
                        Ok(token) => tab.session.handle_token(now, Some(token)),
                        Err(message) => tab.session.handle_token_failed(now, message),
                    });
                }
            }
            Happening::Connect { tab, life } => {
                if self.tabs[tab].life == life && !self.tabs[tab].is_replaced() {
                    self.with_tab(tab, |tab, now| tab.session.connect(now));
                }
            }
            Happening::ServerTimer { number } => {
                if self.server_timer == number {
                    self.server_armed = None;
                    self.with_server(Server::handle_timeout);
                }
            }
            Happening::Recovered => self.server.is_sick = self.sick_until > self.now,
            Happening::Save => {
                if self.server_is_up() && !self.server.is_sick {
                    self.server.save();
                }
                self.at(self.conditions.save_every, Happening::Save);
            }
            Happening::Read { life, key, request } => {
                self.of_life(life, |server, now| server.handle_page(now, &key, &request));
            }
            Happening::Saved { life, key, id } => {
                if self.server.is_sick {
                    self.at(Duration::from_millis(100), Happening::Saved { life, key, id });
                } else {
                    self.of_life(life, |server, now| server.handle_saved(now, &key, id));
                }
            }
            Happening::Retried { life, key, seq, attempt } => self.retried(life, key, seq, attempt),
            Happening::Request { producer, number, batch } => self.requested(producer, number, &batch),
            Happening::Answer { producer, number } => {
                if self.producers[producer].awaits(number) {
                    self.producers[producer].handle_answer();
                    self.request(producer);
                }
            }
            Happening::AskAgain { producer, number } => {
                if self.producers[producer].awaits(number) {
                    self.request(producer);
                }
            }
        }
    }

    // --- small change ---

    pub(crate) fn at(&mut self, after: Duration, happening: Happening) {
        self.agenda.push(self.now + after, happening);
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("{:>8} {}", self.now.as_millis() - START_MS, what()));
        }
    }
}
