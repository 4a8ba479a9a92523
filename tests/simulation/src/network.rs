//! The network between tabs and the server: sockets that keep their order, stall, slow down, break and die.

use ackwire::base::{Duration, Instant, Rng};
use ackwire::receive::SocketId;
use ackwire::wire::StreamName;
use std::collections::{BTreeMap, HashMap};

use crate::chance;
use crate::conditions::Conditions;
use crate::server::Kind;

/// A socket's two ends.
#[derive(Debug)]
pub struct Wire {
    /// Whose.
    pub tab: usize,
    /// Of which page life.
    pub life: u32,
    /// How the page names it.
    pub socket: SocketId,
    /// To the server.
    pub up: Lane,
    /// To the page.
    pub down: Lane,
    /// Nothing gets through, and nobody is told.
    pub dead: bool,
    /// The page has closed it, or knows that it is gone.
    pub client_gone: bool,
    /// The server has closed it, or knows that it is gone.
    pub server_gone: bool,
    /// Nothing gets through until then.
    pub stalled_until: Instant,
    /// The newest subscription to each stream that began on it.
    begun: BTreeMap<StreamName, u64>,
}

impl Wire {
    /// Whether a text that arrives is for the page: what a fan-out held back for an earlier subscription is not.
    pub fn takes(&mut self, kind: &Kind) -> bool {
        match kind {
            Kind::Control => true,
            Kind::Begins(stream, number) => {
                self.begun.insert(stream.clone(), *number);
                true
            }
            Kind::Events(stream, number) => self.begun.get(stream).is_none_or(|begun| begun <= number),
        }
    }
}

/// One direction of a socket.
#[derive(Debug)]
pub struct Lane {
    /// When the last text arrives: a WebSocket keeps its order.
    last: Instant,
    /// How many bytes get through in a second, until when.
    throttle: Option<(u64, Instant)>,
    rng: Rng,
}

/// When a text arrives, and how often.
#[derive(Debug)]
pub struct Arrivals(pub Vec<Instant>);

impl Lane {
    fn new(now: Instant, rng: Rng) -> Self {
        Self { last: now, throttle: None, rng }
    }

    /// When everything that is under way has arrived.
    pub fn drained(&self, now: Instant) -> Instant {
        self.last.max(now)
    }

    /// A text is sent: in order, and exactly once.
    pub fn send(&mut self, now: Instant, bytes: usize, conditions: &Conditions) -> Instant {
        let throttle = self.throttle.filter(|(_, until)| now < *until);
        let transfer = throttle.map_or(0, |(rate, _)| bytes as u64 * 1000 / rate);
        let earliest = now + conditions.delay(&mut self.rng);
        self.last = self.last.max(earliest) + Duration::from_millis(transfer);
        self.last
    }

    /// Events pass a fan-out before they come to the socket: it may lose them, send them twice, or hold them back so that
    /// later ones overtake them.
    pub fn send_events(&mut self, now: Instant, bytes: usize, conditions: &Conditions) -> Arrivals {
        let copies = conditions.copies(&mut self.rng);
        let arrive = |lane: &mut Self| match conditions.overtake(&mut lane.rng) {
            Duration::ZERO => lane.send(now, bytes, conditions),
            late => lane.last.max(now + conditions.delay(&mut lane.rng)) + late,
        };
        Arrivals((0..copies).map(|_| arrive(self)).collect())
    }

    /// So many bytes in a second, for a while.
    pub fn throttle(&mut self, rate: u64, until: Instant) {
        self.throttle = Some((rate.max(1), until));
    }
}

/// Every socket that there was.
#[derive(Debug)]
pub struct Network {
    wires: BTreeMap<u64, Wire>,
    by_socket: HashMap<(usize, u32, SocketId), u64>,
    seed: u64,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self { wires: BTreeMap::new(), by_socket: HashMap::new(), seed }
    }

    /// A page opens a socket, which the world names.
    pub fn open(&mut self, now: Instant, tab: usize, life: u32, socket: SocketId) -> u64 {
        let connection = self.wires.last_key_value().map_or(1, |(last, _)| last + 1);
        let lane = |way: &str| Lane::new(now, chance::stream(self.seed, (way, tab, life, socket)));
        let wire = Wire {
            tab,
            life,
            socket,
            up: lane("up"),
            down: lane("down"),
            dead: false,
            client_gone: false,
            server_gone: false,
            stalled_until: now,
            begun: BTreeMap::new(),
        };
        self.wires.insert(connection, wire);
        self.by_socket.insert((tab, life, socket), connection);
        connection
    }

    pub fn wire(&mut self, connection: u64) -> &mut Wire {
        self.wires.get_mut(&connection).expect("a wire for each connection")
    }

    /// The connection of a page's socket, unless the page has closed it.
    pub fn of_socket(&self, tab: usize, life: u32, socket: SocketId) -> Option<u64> {
        let connection = *self.by_socket.get(&(tab, life, socket))?;
        (!self.wires[&connection].client_gone).then_some(connection)
    }

    /// The connections that a page still holds.
    pub fn of_page(&self, tab: usize, life: u32) -> Vec<u64> {
        let is_its = |wire: &Wire| wire.tab == tab && wire.life == life && !wire.client_gone;
        self.wires.iter().filter(|(_, wire)| is_its(wire)).map(|(connection, _)| *connection).collect()
    }
}
