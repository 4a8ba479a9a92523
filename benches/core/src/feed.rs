//! The sending end: what an event costs between the log and the socket, and its confirmation.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Config, Entry, Feed, Page, Tail, Tracker};
use ackwire::wire::{
    Ack, Epoch, Event, EventId, EventType, From, Position, Seq, SeqRange, StreamName, Subscribe, Window,
};
use std::hint::black_box;
use std::sync::Arc;

use crate::{Scenario, Work};

/// How many events a run sends.
const EVENTS: u64 = 3_200;
/// How long a log is that is called long.
const LONG: u64 = 1_000_000;
/// How many events a client confirms at once.
const PER_ACK: u64 = 32;

pub fn scenarios() -> Vec<Scenario> {
    let live = |confirmed: u64, leaves_holes: bool| {
        move || -> Work {
            let mut server = Server::new(confirmed);
            let log = log(confirmed);
            Box::new(move || server.live(&log, leaves_holes))
        }
    };
    let backlog = || -> Work {
        let mut server = Server::new(0);
        let log = log(0);
        Box::new(move || server.backlog(&log))
    };
    vec![
        Scenario::new("feed: one event at a time", (EVENTS, "event"), live(0, false)),
        Scenario::new("feed: the same behind 1,000,000 confirmed events", (EVENTS, "event"), live(LONG, false)),
        Scenario::new("feed: one event at a time, every other one confirmed", (EVENTS, "event"), live(0, true)),
        Scenario::new("feed: a backlog, frames of 64", (EVENTS, "event"), backlog),
        Scenario::new("tracker: 1,000,000 events confirmed by one ack each", (LONG, "event"), tracking).long().long(),
    ]
}

/// The log's events after `confirmed`.
fn log(confirmed: u64) -> Vec<Arc<Entry>> {
    (confirmed + 1..=confirmed + EVENTS).map(|n| Arc::new(Entry::new(event(n)))).collect()
}

/// A feed with a consumer that reads and confirms.
struct Server {
    feed: Feed,
    now: Instant,
    tail: Tail,
}

impl Server {
    fn new(confirmed: u64) -> Self {
        let epoch = Epoch::new("one").expect("an epoch");
        let stream = StreamName::new("run:1").expect("a name");
        let tail = Tail { epoch: epoch.clone(), oldest: seq(1), head: seq(confirmed), ended: false };
        let feed = Feed::new(stream.clone(), Tracker::new(epoch.clone()), Config::default(), 7);
        let mut server = Self { feed, now: Instant::from_millis(1), tail };
        let subscribe = Subscribe {
            stream,
            from: From::Position(Position { epoch, seq: seq(confirmed) }),
            also: Vec::new(),
            window: Window::new(1000, 1 << 20).expect("within the bounds"),
            filter: None,
        };
        server.feed.attach(server.now, &subscribe, server.tail.clone());
        server.drain(&[]);
        server
    }

    /// Events come singly; the consumer confirms some of them at a time.
    fn live(&mut self, log: &[Arc<Entry>], leaves_holes: bool) {
        for (index, entry) in log.iter().enumerate() {
            self.now = self.now + Duration::from_millis(1);
            self.tail.head = entry.seq();
            self.feed.handle_tail(self.now, self.tail.clone());
            self.drain(&log[index..=index]);
            if (index as u64 + 1).is_multiple_of(PER_ACK) {
                let recent = &log[index + 1 - PER_ACK as usize..=index];
                match leaves_holes {
                    true => self.ack_every_other(recent),
                    false => self.ack(self.tail.head, Vec::new()),
                }
            }
        }
    }

    /// All events are there; the consumer confirms whatever has come.
    fn backlog(&mut self, log: &[Arc<Entry>]) {
        self.tail.head = log.last().expect("events").seq();
        self.feed.handle_tail(self.now, self.tail.clone());
        while self.feed.tracker().position() < self.tail.head {
            let sent = self.drain(log);
            self.ack(sent, Vec::new());
        }
    }

    fn ack_every_other(&mut self, recent: &[Arc<Entry>]) {
        let single = |entry: &Arc<Entry>| SeqRange::single(entry.seq()).expect("above 0");
        let (first, rest) = recent.split_first().expect("some");
        let before = seq(first.seq().get() - 1);
        self.ack(before, rest.iter().step_by(2).map(single).collect());
        self.ack(recent.last().expect("some").seq(), Vec::new());
    }

    fn ack(&mut self, upto: Seq, also: Vec<SeqRange>) {
        let ack = Ack::new(self.feed.stream().clone(), self.tail.epoch.clone(), upto, also);
        self.feed.handle_ack(self.now, &ack).expect("what was sent may be confirmed");
    }

    /// Reads and sends all there is to send; the highest seq that was sent.
    fn drain(&mut self, log: &[Arc<Entry>]) -> Seq {
        loop {
            if let Some(save) = self.feed.poll_save() {
                self.feed.handle_saved(save);
            }
            while let Some(frame) = self.feed.poll_transmit() {
                black_box(frame.encode(self.feed.stream()));
            }
            while self.feed.poll_notice().is_some() {}
            let Some(request) = self.feed.poll_read() else { break };
            let start = log.partition_point(|entry| entry.seq() <= request.range.after());
            let page = log[start..].iter().take_while(|entry| entry.seq() <= request.range.upto());
            let entries: Vec<_> = page.take(request.max_events as usize).cloned().collect();
            let upto = entries.last().map_or(request.range.upto(), |entry| entry.seq());
            let page = Page { epoch: self.tail.epoch.clone(), entries, upto, oldest: seq(1), compacted: Vec::new() };
            self.feed.handle_page(self.now, request.id, &page);
        }
        black_box((self.feed.take_dirty(), self.feed.poll_timeout()));
        self.feed.sent_upto().unwrap_or(Seq::ZERO)
    }
}

/// Each event is sent and confirmed by itself; the log is written as it is read.
fn tracking() -> Work {
    let mut server = Server::new(0);
    Box::new(move || {
        for n in 1..=LONG {
            let entry = [Arc::new(Entry::new(event(n)))];
            server.tail.head = seq(n);
            server.feed.handle_tail(server.now, server.tail.clone());
            server.drain(&entry);
            server.ack(seq(n), Vec::new());
        }
        assert_eq!(server.feed.tracker().position(), seq(LONG));
    })
}

/// 200 bytes or so.
fn event(n: u64) -> Event {
    let data = format!(r#"{{"text":"{}","n":{n}}}"#, "x".repeat(80));
    Event {
        seq: seq(n),
        id: EventId::new(&format!("00000000-0000-4000-8000-{n:012}")).expect("an id"),
        event_type: EventType::new("agent_thinking").expect("a type"),
        time: 1_700_000_000_000,
        data: serde_json::value::RawValue::from_string(data).expect("JSON"),
        priority: Default::default(),
        attempt: 1,
        meta: Default::default(),
        deadline_ms: None,
        retries: None,
    }
}

fn seq(n: u64) -> Seq {
    Seq::new(n).expect("below 2^53")
}
