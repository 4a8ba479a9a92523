//! The server: real feeds over the logs, and the little that a connection needs.

use ackwire::base::Instant;
use ackwire::deliver::{Config, Feed, Notice, Saved, Tracker};
use ackwire::wire::{
    ClientFrame, ConsumerId, Decoded, Hello, ServerFrame, ServerInfo, StreamName, Subscribe, Welcome, decode_client,
    encode_server,
};
use std::collections::{BTreeMap, BTreeSet};

use crate::log::StreamLog;

/// A (stream, consumer) pair.
pub type Key = (StreamName, ConsumerId);

/// What a server wants said.
#[derive(Debug)]
pub enum Say {
    /// Send a text on a connection; whether it is an `events` frame.
    Send(u64, String, bool),
    /// Close a connection.
    Close(u64, u16),
}

#[derive(Debug)]
struct Connection {
    consumer: ConsumerId,
    streams: BTreeSet<StreamName>,
}

/// One life after another of a server. Its logs outlive it, and what it saved of its trackers.
#[derive(Debug)]
pub struct Server {
    /// The streams.
    pub logs: BTreeMap<StreamName, StreamLog>,
    /// What became of the events, by consumer.
    pub feeds: BTreeMap<Key, Feed>,
    saved: BTreeMap<Key, Saved>,
    unsaved: BTreeSet<Key>,
    connections: BTreeMap<u64, Connection>,
    config: Config,
    seed: u64,
    /// What feeds have told.
    pub notices: Vec<(Key, Notice)>,
}

impl Server {
    /// A server with empty logs.
    pub fn new(streams: impl IntoIterator<Item = StreamName>, config: Config, seed: u64) -> Self {
        Self {
            logs: streams.into_iter().map(|stream| (stream, StreamLog::new())).collect(),
            feeds: BTreeMap::new(),
            saved: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            connections: BTreeMap::new(),
            config,
            seed,
            notices: Vec::new(),
        }
    }

    /// A text arrives on a connection.
    pub fn handle_text(&mut self, now: Instant, connection: u64, text: &str) -> Vec<Say> {
        let mut say = Vec::new();
        let frame = match decode_client(text) {
            Ok(Decoded::Frame(frame)) => frame,
            other => panic!("the client wrote what nobody can read: {other:?}: {text}"),
        };
        match (frame, self.connections.get(&connection).map(|held| held.consumer.clone())) {
            (ClientFrame::Hello(hello), None) => self.welcome(now, connection, hello, &mut say),
            (ClientFrame::Subscribe(subscribe), Some(consumer)) => self.attach(now, connection, consumer, &subscribe),
            (ClientFrame::Ack(ack), Some(consumer)) => {
                self.with_feed((ack.stream.clone(), consumer), |feed| feed.handle_ack(now, &ack));
            }
            (ClientFrame::Nack(nack), Some(consumer)) => {
                self.with_feed((nack.stream.clone(), consumer), |feed| feed.handle_nack(now, &nack));
            }
            (ClientFrame::Resend(resend), Some(consumer)) => {
                self.with_feed((resend.stream.clone(), consumer), |feed| feed.handle_resend(&resend));
            }
            (ClientFrame::Ping, Some(_)) => say.push(Say::Send(connection, encode_server(&ServerFrame::Pong), false)),
            (ClientFrame::Pong, Some(_)) => {}
            // Words of a connection that was replaced [AW-CONN-5].
            (_, None) => return say,
            (frame, _) => panic!("not simulated: {frame:?}"),
        }
        self.pump(now, &mut say);
        say
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, connection: u64) {
        let Some(Connection { consumer, streams }) = self.connections.remove(&connection) else { return };
        for stream in streams {
            let key = (stream, consumer.clone());
            if let Some(feed) = self.feeds.get_mut(&key) {
                feed.detach();
                self.unsaved.insert(key);
            }
        }
    }

    /// Whether the connection is known and not replaced.
    pub fn is_connected(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }

    /// On which connection a consumer is.
    pub fn connection_of(&self, consumer: &ConsumerId) -> Option<u64> {
        self.connections.iter().find(|(_, held)| held.consumer == *consumer).map(|(id, _)| *id)
    }

    /// A stream's log has moved.
    pub fn handle_tail(&mut self, now: Instant, stream: &StreamName) -> Vec<Say> {
        let tail = self.logs[stream].tail();
        for (_, feed) in self.feeds.iter_mut().filter(|((name, _), _)| name == stream) {
            feed.handle_tail(now, tail.clone());
        }
        let mut say = Vec::new();
        self.pump(now, &mut say);
        say
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Say> {
        self.feeds.values_mut().for_each(|feed| feed.handle_timeout(now));
        let mut say = Vec::new();
        self.pump(now, &mut say);
        say
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.feeds.values().filter_map(Feed::poll_timeout).min()
    }

    /// Writes down what the trackers know.
    pub fn save(&mut self) {
        for key in std::mem::take(&mut self.unsaved) {
            if let Some(feed) = self.feeds.get(&key) {
                self.saved.insert(key, feed.tracker().saved());
            }
        }
    }

    /// The process dies; what was not saved is gone. The connections die with it.
    pub fn crash(&mut self) -> Vec<u64> {
        self.feeds.clear();
        self.unsaved.clear();
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    fn welcome(&mut self, now: Instant, connection: u64, hello: Hello, say: &mut Vec<Say>) {
        let consumer = hello.consumer;
        let older: Vec<u64> =
            self.connections.iter().filter(|(_, held)| held.consumer == consumer).map(|(id, _)| *id).collect();
        for older in older {
            self.handle_closed(older);
            say.push(Say::Close(older, 4409));
        }
        self.connections.insert(connection, Connection { consumer: consumer.clone(), streams: BTreeSet::new() });
        let welcome = ServerFrame::Welcome(Welcome {
            connection: connection.to_string(),
            consumer: consumer.clone(),
            heartbeat_ms: 25_000,
            max_frame_bytes: 256 * 1024,
            token_expires_in_ms: None,
            server: ServerInfo { name: "simulation".into(), version: "0".into() },
        });
        say.push(Say::Send(connection, encode_server(&welcome), false));
        for subscribe in hello.subscriptions {
            self.attach(now, connection, consumer.clone(), &subscribe);
        }
    }

    fn attach(&mut self, now: Instant, connection: u64, consumer: ConsumerId, subscribe: &Subscribe) {
        let stream = subscribe.stream.clone();
        let tail = self.logs[&stream].tail();
        self.connections.get_mut(&connection).expect("it is connected").streams.insert(stream.clone());
        let key = (stream.clone(), consumer);
        let feed = self.feeds.entry(key.clone()).or_insert_with(|| {
            let tracker = self.saved.get(&key).cloned().map(Tracker::from_saved);
            self.seed += 1;
            Feed::new(stream, tracker.unwrap_or_else(|| Tracker::new(tail.epoch.clone())), self.config, self.seed)
        });
        feed.attach(now, subscribe, tail);
    }

    fn with_feed<E: std::fmt::Debug>(&mut self, key: Key, handle: impl FnOnce(&mut Feed) -> Result<(), E>) {
        if let Some(feed) = self.feeds.get_mut(&key).filter(|feed| feed.is_attached()) {
            handle(feed).expect("our own client keeps to the protocol");
        }
    }

    /// Drains every feed: frames, reads, notices, what is to be saved.
    fn pump(&mut self, now: Instant, say: &mut Vec<Say>) {
        let mut replaced = Vec::new();
        for (key, feed) in &mut self.feeds {
            let connection = self.connections.iter().find(|(_, held)| held.consumer == key.1).map(|(id, _)| *id);
            loop {
                if let Some(save) = feed.poll_save() {
                    self.saved.insert(key.clone(), feed.tracker().saved());
                    feed.handle_saved(save);
                }
                while let Some(frame) = feed.poll_transmit() {
                    let connection = connection.expect("a feed with frames is attached");
                    let is_events = matches!(frame, ackwire::deliver::FeedFrame::Events(_));
                    say.push(Say::Send(connection, frame.encode(&key.0), is_events));
                }
                let Some(request) = feed.poll_read() else { break };
                let page = self.logs[&key.0].read(&request);
                feed.handle_page(now, request.id, &page);
            }
            while let Some(notice) = feed.poll_notice() {
                if notice == Notice::EpochChanged {
                    replaced.extend(connection);
                }
                self.notices.push((key.clone(), notice));
            }
            if feed.take_dirty() {
                self.unsaved.insert(key.clone());
            }
        }
        for connection in replaced {
            self.handle_closed(connection);
            say.push(Say::Close(connection, 1012));
        }
    }
}
