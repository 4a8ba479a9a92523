//! The server: real connections and feeds over the logs.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Config, Connection, EventsOut, Feed, FeedFrame, Limits, Notice, ReadRequest, Saved, Tracker};
use ackwire::wire::{ClientSession, ConsumerId, Epoch, Seq, SeqRange, ServerFrame, StreamName, Subscribe, Window};
use std::collections::{BTreeMap, BTreeSet};

use crate::chance;
use crate::check::Traffic;
use crate::log::StreamLog;

/// A (stream, consumer) pair.
pub type Key = (StreamName, ConsumerId);

/// What a server wants done.
#[derive(Debug)]
pub enum Say {
    /// Send a text on a connection.
    Send(u64, String, Kind),
    /// Close a connection.
    Close(u64, u16),
    /// Read a log, then call `handle_page` or `handle_read_failed`.
    Read(Key, ReadRequest),
    /// Write down what is known of a pair, then call `handle_saved`.
    Save(Key, u64),
    /// Have the application send an event again, then call `handle_retried`.
    Retry(Key, Seq, u32),
    /// A log has moved: call `handle_tail`.
    Moved(StreamName),
}

/// What a fan-out needs to know of a text: it serves one subscription, and holds nothing of it back for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes straight to the socket.
    Control,
    /// A subscription begins: on this stream, the one with this number.
    Begins(StreamName, u64),
    /// Events of a subscription.
    Events(StreamName, u64),
}

/// One WebSocket.
#[derive(Debug)]
pub(crate) struct Line {
    pub connection: Connection,
    pub consumer: Option<ConsumerId>,
    /// Which of the client's connections it says it is.
    pub session: Option<ClientSession>,
    /// What each subscription has granted, and its number.
    pub windows: BTreeMap<StreamName, (Window, u64)>,
    /// Counts subscriptions.
    pub subscribed: u64,
}

/// One life after another of a server. Its logs outlive it, and what it saved of its trackers.
#[derive(Debug)]
pub struct Server {
    /// The streams.
    pub logs: BTreeMap<StreamName, StreamLog>,
    /// What became of the events, by consumer.
    pub feeds: BTreeMap<Key, Feed>,
    /// Counts its lives: what belongs to an earlier one is not heard.
    pub life: u32,
    /// What feeds have told since the checks looked.
    pub notices: Vec<(Key, Epoch, Notice)>,
    /// What went over connections since the checks looked.
    pub traffic: Vec<(Key, Traffic)>,
    /// Pairs to which something happened since the checks looked.
    pub touched: BTreeSet<Key>,
    /// The log cannot be read or written.
    pub is_sick: bool,
    saved: BTreeMap<Key, Saved>,
    unsaved: BTreeSet<Key>,
    pub(crate) lines: BTreeMap<u64, Line>,
    pub(crate) seats: BTreeMap<ConsumerId, u64>,
    due: BTreeMap<Key, Instant>,
    config: Config,
    pub(crate) limits: Limits,
    seed: u64,
}

impl Server {
    /// A server with empty logs.
    pub fn new(streams: impl IntoIterator<Item = StreamName>, config: Config, limits: Limits, seed: u64) -> Self {
        Self {
            logs: streams.into_iter().map(|stream| (stream, StreamLog::new())).collect(),
            feeds: BTreeMap::new(),
            life: 0,
            notices: Vec::new(),
            traffic: Vec::new(),
            touched: BTreeSet::new(),
            is_sick: false,
            saved: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            lines: BTreeMap::new(),
            seats: BTreeMap::new(),
            due: BTreeMap::new(),
            config,
            limits,
            seed,
        }
    }

    // --- connections ---

    /// A WebSocket has opened.
    pub fn handle_opened(&mut self, now: Instant, connection: u64) {
        let line = Line {
            connection: Connection::new(now, self.limits),
            consumer: None,
            session: None,
            windows: BTreeMap::new(),
            subscribed: 0,
        };
        self.lines.insert(connection, line);
    }

    /// A text arrives on a connection. `token_life` is how long the token in it still lasts; nothing if it does not.
    pub fn handle_text(
        &mut self,
        now: Instant,
        connection: u64,
        text: &str,
        token_life: impl Fn(Option<&str>) -> Result<Option<Duration>, ()>,
    ) -> Vec<Say> {
        let mut say = Vec::new();
        if let Some(line) = self.lines.get_mut(&connection) {
            line.connection.handle_text(now, text);
            self.act(now, connection, &token_life, &mut say);
        }
        self.pump(now, &mut say);
        say
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, connection: u64) {
        let Some(Line { consumer: Some(consumer), windows, .. }) = self.lines.remove(&connection) else { return };
        // The seat may have a newer occupant, and the feeds with it.
        if self.seats.get(&consumer) != Some(&connection) {
            return;
        }
        self.seats.remove(&consumer);
        for stream in windows.into_keys() {
            self.detach((stream, consumer.clone()));
        }
    }

    /// Every connection is asked to go elsewhere.
    pub fn drain(&mut self, now: Instant, span: Duration) -> Vec<Say> {
        self.each_connection(now, |connection| connection.handle_drain(now, span))
    }

    /// Every token is refused from now on.
    pub fn refuse(&mut self, now: Instant) -> Vec<Say> {
        self.each_connection(now, |connection| connection.handle_refused("revoked"))
    }

    // --- the logs ---

    /// A stream's log has moved.
    pub fn handle_tail(&mut self, now: Instant, stream: &StreamName) -> Vec<Say> {
        let tail = self.logs[stream].tail();
        for (key, feed) in self.feeds.iter_mut().filter(|((name, _), _)| name == stream) {
            feed.handle_tail(now, tail.clone());
            self.touched.insert(key.clone());
        }
        self.pumped(now)
    }

    /// What was read, or that it could not be.
    pub fn handle_page(&mut self, now: Instant, key: &Key, request: &ReadRequest) -> Vec<Say> {
        let page = (!self.is_sick).then(|| self.logs[&key.0].read(request));
        self.with_feed(key, |feed| match &page {
            Some(page) => feed.handle_page(now, request.id, page),
            None => feed.handle_read_failed(now, request.id),
        });
        self.pumped(now)
    }

    /// What is known of a pair is written down.
    pub fn handle_saved(&mut self, now: Instant, key: &Key, id: u64) -> Vec<Say> {
        self.keep(key);
        self.with_feed(key, |feed| feed.handle_saved(id));
        self.pumped(now)
    }

    /// The application was asked to send an event again.
    pub fn handle_retried(&mut self, now: Instant, key: &Key, ask: (Seq, u32), outcome: Result<(), &str>) -> Vec<Say> {
        self.with_feed(key, |feed| feed.handle_retried(now, ask, outcome));
        self.pumped(now)
    }

    /// Something is done to a pair from outside of its connection, if it is known and of the present log.
    pub fn operate(&mut self, now: Instant, key: &Key, operation: impl FnOnce(&mut Feed, &StreamLog)) -> Vec<Say> {
        if !self.feeds.contains_key(key) && self.saved.contains_key(key) {
            self.load(key);
        }
        let log = &self.logs[&key.0];
        if let Some(feed) = self.feeds.get_mut(key).filter(|feed| *feed.tracker().epoch() == log.tail().epoch) {
            operation(feed, log);
            self.touched.insert(key.clone());
        }
        self.pumped(now)
    }

    // --- time ---

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Say> {
        let due: Vec<Key> = self.due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.with_feed(&key, |feed| feed.handle_timeout(now));
        }
        self.each_connection(now, |connection| {
            if connection.poll_timeout().is_some_and(|due| due <= now) {
                connection.handle_timeout(now);
            }
        })
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lines = self.lines.values().filter_map(|line| line.connection.poll_timeout());
        lines.chain(self.due.values().copied()).min()
    }

    // --- storage ---

    /// Writes down what the trackers know.
    pub fn save(&mut self) {
        for key in std::mem::take(&mut self.unsaved) {
            self.keep(&key);
        }
    }

    /// The process dies; what was not saved is gone. The connections die with it.
    pub fn crash(&mut self) -> Vec<u64> {
        self.life += 1;
        self.feeds.clear();
        self.unsaved.clear();
        self.seats.clear();
        self.due.clear();
        std::mem::take(&mut self.lines).into_keys().collect()
    }

    // --- snapshots ---

    /// What a pair's subscription has granted.
    pub fn window(&self, key: &Key) -> Option<Window> {
        self.subscription(key).map(|(window, ..)| window)
    }

    /// How it sends.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which of all subscriptions a pair's is: its connection's number, and its own on that.
    pub fn subscription_number(&self, key: &Key) -> Option<(u64, u64)> {
        self.subscription(key).map(|(_, connection, number)| (connection, number))
    }

    fn subscription(&self, (stream, consumer): &Key) -> Option<(Window, u64, u64)> {
        let connection = *self.seats.get(consumer)?;
        let (window, number) = *self.lines.get(&connection)?.windows.get(stream)?;
        Some((window, connection, number))
    }

    // --- inside ---

    fn each_connection(&mut self, now: Instant, mut change: impl FnMut(&mut Connection)) -> Vec<Say> {
        let mut say = Vec::new();
        let all: Vec<u64> = self.lines.keys().copied().collect();
        for connection in all {
            if let Some(line) = self.lines.get_mut(&connection) {
                change(&mut line.connection);
                self.act(now, connection, &|_| Err(()), &mut say);
            }
        }
        self.pump(now, &mut say);
        say
    }

    /// What is owed to a subscription that ends.
    pub(crate) fn answer(&mut self, id: u64, key: &Key, say: &mut Vec<Say>) {
        let answers = self.feeds.get_mut(key).map(Feed::take_answers).unwrap_or_default();
        say.extend(answers.iter().map(|frame| Say::Send(id, frame.encode(&key.0), Kind::Control)));
    }

    pub(crate) fn attach(&mut self, now: Instant, key: Key, subscribe: &Subscribe) {
        self.load(&key);
        let tail = self.logs[&key.0].tail();
        self.with_feed(&key, |feed| feed.attach(now, subscribe, tail));
    }

    /// A pair is in memory from now on.
    fn load(&mut self, key: &Key) {
        if self.feeds.contains_key(key) {
            return;
        }
        let epoch = self.logs[&key.0].tail().epoch;
        let tracker = self.saved.get(key).cloned().map_or_else(|| Tracker::new(epoch), Tracker::from_saved);
        let jitter = chance::stream(self.seed, ("feed", &key.0, &key.1, self.life)).next_u64();
        self.feeds.insert(key.clone(), Feed::new(key.0.clone(), tracker, self.config, jitter));
    }

    pub(crate) fn detach(&mut self, key: Key) {
        self.with_feed(&key, Feed::detach);
        self.due.remove(&key);
        self.unsaved.insert(key);
    }

    fn keep(&mut self, key: &Key) {
        if let Some(feed) = self.feeds.get(key) {
            self.saved.insert(key.clone(), feed.tracker().saved());
        }
    }

    pub(crate) fn with_feed(&mut self, key: &Key, change: impl FnOnce(&mut Feed)) {
        if let Some(feed) = self.feeds.get_mut(key) {
            change(feed);
            self.touched.insert(key.clone());
        }
    }

    fn pumped(&mut self, now: Instant) -> Vec<Say> {
        let mut say = Vec::new();
        self.pump(now, &mut say);
        say
    }

    /// Drains the feeds that were touched.
    fn pump(&mut self, now: Instant, say: &mut Vec<Say>) {
        let mut replaced = Vec::new();
        for key in &self.touched {
            let Some(feed) = self.feeds.get_mut(key) else { continue };
            let connection = self.seats.get(&key.1).copied();
            if let Some(save) = feed.poll_save() {
                say.push(Say::Save(key.clone(), save));
            }
            while let Some(frame) = feed.poll_transmit() {
                let connection = connection.expect("a feed with frames is attached");
                let line = self.lines.get_mut(&connection).expect("a line for each seat");
                line.connection.handle_sent(now);
                let kind = match &frame {
                    FeedFrame::Events(events) => {
                        let window = line.windows.get(&key.0).map(|(window, _)| *window);
                        check_frame(events, window, &self.config);
                        // Dead letters in their second life are outside of the window [AW-SEND-9].
                        for (entry, _) in events.entries.iter().filter(|_| !events.requeued) {
                            self.traffic.push((key.clone(), Traffic::Sent(entry.seq(), entry.bytes())));
                        }
                        Kind::Events(key.0.clone(), line.subscribed)
                    }
                    FeedFrame::Control(ServerFrame::Subscribed(_)) => Kind::Begins(key.0.clone(), line.subscribed),
                    FeedFrame::Control(ServerFrame::Lost { range, .. }) => {
                        let range = SeqRange::new(range.after, range.upto).expect("a lost range is not empty");
                        self.traffic.push((key.clone(), Traffic::Lost(range)));
                        Kind::Control
                    }
                    FeedFrame::Control(_) => Kind::Control,
                };
                say.push(Say::Send(connection, frame.encode(&key.0), kind));
            }
            if let Some(request) = feed.poll_read() {
                say.push(Say::Read(key.clone(), request));
            }
            while let Some((seq, attempt)) = feed.poll_retry() {
                say.push(Say::Retry(key.clone(), seq, attempt));
            }
            while let Some(notice) = feed.poll_notice() {
                if notice == Notice::EpochChanged {
                    replaced.extend(connection);
                }
                self.notices.push((key.clone(), feed.tracker().epoch().clone(), notice));
            }
            if feed.take_dirty() {
                self.unsaved.insert(key.clone());
            }
            match feed.poll_timeout() {
                Some(at) => self.due.insert(key.clone(), at),
                None => self.due.remove(key),
            };
        }
        for connection in replaced {
            self.handle_closed(connection);
            say.push(Say::Close(connection, 1012));
        }
    }
}

/// [AW-SEND-5]: as configured, or a quarter of the window, which is the most that is ever used of it.
fn check_frame(events: &EventsOut, window: Option<Window>, config: &Config) {
    let most = |least: u32, window: Option<u32>| {
        let grown = window.map_or(0, |window| window / 4).min(least.saturating_mul(config.frame_growth));
        least.max(1).max(grown) as usize
    };
    let (count, most_events) = (events.entries.len(), most(config.frame_events, window.map(|window| window.events)));
    assert!(count <= most_events, "{count} events in a frame of {most_events}");
    let bytes: usize = events.entries.iter().map(|(entry, _)| entry.bytes()).sum();
    let most_bytes = most(config.frame_bytes, window.map(|window| window.bytes));
    assert!(count <= 1 || bytes <= most_bytes, "{bytes} bytes in a frame of {most_bytes}");
}
