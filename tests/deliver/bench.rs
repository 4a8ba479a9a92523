//! A feed over a log in a vector, on virtual time. What it sends reads as text:
//! `events (0,3] 1 2#2 3` (2 is on its second attempt), `mark 3`, `lost (0,2] expired`, `ended 3`, `subscribed after 0`.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{
    Config, Delivery, Entry, EventsOut, Feed, FeedFrame, Notice, Page, State, Tail, Tracker, Violation,
};
use ackwire::wire::{
    Ack, Epoch, Event, EventId, EventType, Filter, From, Nack, Position, Resend, Seq, SeqRange, ServerFrame,
    StreamName, Subscribe, Window,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What wants to be polled more often than this never comes to rest: its test fails instead of hanging.
const MOST_TURNS: u32 = 100_000;

pub struct Bench {
    pub feed: Feed,
    pub now: Instant,
    pub notices: Vec<Notice>,
    pub log: Vec<Arc<Entry>>,
    compacted: BTreeSet<Seq>,
    tail: Tail,
    pub window: Window,
    pub filter: Option<Filter>,
    pub also: Vec<(u64, u64)>,
    turns: u32,
}

pub fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

pub fn range((after, upto): (u64, u64)) -> SeqRange {
    SeqRange::new(seq(after), seq(upto)).unwrap()
}

pub fn epoch(name: &str) -> Epoch {
    Epoch::new(name).unwrap()
}

pub fn position(n: u64) -> From {
    From::Position(Position { epoch: epoch("one"), seq: seq(n) })
}

/// An event of 100 bytes or so; its type is `odd` or `even`.
pub fn event(n: u64) -> Event {
    Event {
        seq: seq(n),
        id: EventId::new(&format!("id-{n}")).unwrap(),
        event_type: EventType::new(if n % 2 == 1 { "odd" } else { "even" }).unwrap(),
        time: 0,
        data: serde_json::value::to_raw_value(&n).unwrap(),
        priority: Default::default(),
        attempt: 1,
        meta: Default::default(),
        deadline_ms: None,
        retries: None,
    }
}

impl Bench {
    /// A log with events 1 to `events`.
    pub fn new(events: u64) -> Self {
        Self::with_config(events, Config::default())
    }

    /// The same, with all of the window in use from the beginning.
    pub fn unhurried(events: u64) -> Self {
        Self::with_config(events, Config { first_allowance: Window::MAX_EVENTS, ..Config::default() })
    }

    pub fn with_config(events: u64, config: Config) -> Self {
        let tail = Tail { epoch: epoch("one"), oldest: seq(1), head: Seq::ZERO, ended: false };
        let stream = StreamName::new("run:1").unwrap();
        let mut bench = Self {
            feed: Feed::new(stream, Tracker::new(epoch("one")), config, 7),
            now: Instant::from_millis(1_000_000),
            notices: Vec::new(),
            log: Vec::new(),
            compacted: BTreeSet::new(),
            tail,
            window: Window::default(),
            filter: None,
            also: Vec::new(),
            turns: 0,
        };
        bench.log_events(1..=events);
        bench
    }

    /// The same log, and the consumer as it was saved: another life of the server.
    pub fn restart(&mut self) {
        let json = serde_json::to_string(&self.feed.tracker().saved()).unwrap();
        let tracker = Tracker::from_saved(serde_json::from_str(&json).unwrap());
        self.feed = Feed::new(self.feed.stream().clone(), tracker, Config::default(), 8);
    }

    fn log_events(&mut self, seqs: impl IntoIterator<Item = u64>) {
        self.log.extend(seqs.into_iter().map(|n| Arc::new(Entry::new(event(n)))));
        self.tail.head = self.log.last().map_or(self.tail.head, |entry| entry.seq());
    }

    /// The log takes events with these seqs, which need not be dense.
    pub fn append(&mut self, seqs: impl IntoIterator<Item = u64>) -> Vec<String> {
        self.log_moves(seqs);
        self.drain()
    }

    /// The log takes this event.
    pub fn append_event(&mut self, event: Event) -> Vec<String> {
        self.tail.head = event.seq;
        self.log.push(Arc::new(Entry::new(event)));
        self.feed.handle_tail(self.now, self.tail.clone());
        self.drain()
    }

    /// As [`append`](Self::append), and the feed is not drained yet.
    pub fn log_moves(&mut self, seqs: impl IntoIterator<Item = u64>) {
        self.log_events(seqs);
        self.feed.handle_tail(self.now, self.tail.clone());
    }

    /// The log no longer holds what lies before `oldest`.
    pub fn trim(&mut self, oldest: u64) {
        self.log.retain(|entry| entry.seq() >= seq(oldest));
        self.tail.oldest = seq(oldest);
    }

    /// The log loses single events.
    pub fn compact(&mut self, gone: u64) {
        self.log.retain(|entry| entry.seq() != seq(gone));
        self.compacted.insert(seq(gone));
    }

    pub fn tail(&self) -> Tail {
        self.tail.clone()
    }

    pub fn end(&mut self) -> Vec<String> {
        self.tail.ended = true;
        self.feed.handle_tail(self.now, self.tail.clone());
        self.drain()
    }

    /// Another log takes its place, with events 1 to `events`.
    pub fn replace_log(&mut self, name: &str, events: u64) {
        self.log.clear();
        self.tail = Tail { epoch: epoch(name), oldest: seq(1), head: Seq::ZERO, ended: false };
        self.log_events(1..=events);
    }

    /// The log loses what lies beyond `head`, within its epoch.
    pub fn lose_tail(&mut self, head: u64) {
        self.log.retain(|entry| entry.seq() <= seq(head));
        self.tail.head = seq(head);
    }

    pub fn subscribe(&mut self, from: From) -> Vec<String> {
        let subscribe = Subscribe {
            stream: self.feed.stream().clone(),
            from,
            also: self.also.iter().copied().map(range).collect(),
            window: self.window,
            filter: self.filter.clone(),
        };
        self.feed.attach(self.now, &subscribe, self.tail.clone());
        self.drain()
    }

    pub fn try_ack(&mut self, upto: u64, also: &[(u64, u64)]) -> Result<Vec<String>, Violation> {
        let also = also.iter().copied().map(range).collect();
        let (stream, epoch) = (self.feed.stream().clone(), self.feed.tracker().epoch().clone());
        let ack = Ack::new(stream, epoch, seq(upto), also);
        self.feed.handle_ack(self.now, &ack)?;
        Ok(self.drain())
    }

    pub fn ack(&mut self, upto: u64) -> Vec<String> {
        self.try_ack(upto, &[]).unwrap()
    }

    pub fn nack_with(&mut self, n: u64, attempt: u32, retry: bool) -> Vec<String> {
        let nack = Nack {
            stream: self.feed.stream().clone(),
            epoch: self.feed.tracker().epoch().clone(),
            seq: seq(n),
            attempt,
            error: format!("failed on attempt {attempt}"),
            retry,
        };
        self.feed.handle_nack(self.now, &nack).unwrap();
        self.drain()
    }

    pub fn nack(&mut self, n: u64, attempt: u32) -> Vec<String> {
        self.nack_with(n, attempt, true)
    }

    pub fn resend(&mut self, ranges: &[(u64, u64)]) -> Vec<String> {
        let ranges = ranges.iter().copied().map(range).collect();
        let (stream, epoch) = (self.feed.stream().clone(), self.feed.tracker().epoch().clone());
        self.feed.handle_resend(&Resend { stream, epoch, ranges }).unwrap();
        self.drain()
    }

    /// Time passes, timer by timer; what is sent meanwhile, each with the milliseconds since the beginning of the wait.
    pub fn wait_ms(&mut self, millis: u64) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now + Duration::from_millis(millis));
        let mut sent = Vec::new();
        self.turn();
        while let Some(due) = self.feed.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.feed.handle_timeout(self.now);
            let at = (self.now - start).as_millis();
            sent.extend(self.drain().into_iter().map(|frame| (at, frame)));
        }
        self.now = end;
        sent
    }

    /// As [`wait_ms`](Self::wait_ms), without marks and times.
    pub fn wait(&mut self, secs: u64) -> Vec<String> {
        let sent = self.wait_ms(secs * 1000).into_iter().map(|(_, frame)| frame);
        sent.filter(|frame| !frame.starts_with("mark")).collect()
    }

    /// Time passes until the next timer; what is sent then.
    pub fn next_timer(&mut self) -> Vec<String> {
        self.now = self.feed.poll_timeout().expect("a timer runs").max(self.now);
        self.feed.handle_timeout(self.now);
        self.drain()
    }

    /// Time passes until a frame other than a mark is sent.
    pub fn next(&mut self) -> Vec<String> {
        loop {
            let mut sent = self.next_timer();
            sent.retain(|frame| !frame.starts_with("mark"));
            if !sent.is_empty() {
                return sent;
            }
        }
    }

    /// Counts one more of what a test may wait for in a loop.
    pub fn turn(&mut self) {
        self.turns += 1;
        assert!(self.turns < MOST_TURNS, "it never comes to rest");
    }

    /// Everything that the feed has to say.
    pub fn drain(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        loop {
            self.turn();
            if let Some(save) = self.feed.poll_save() {
                self.feed.handle_saved(save);
            }
            sent.extend(std::iter::from_fn(|| self.feed.poll_transmit()).map(|frame| text(&frame)));
            self.notices.extend(std::iter::from_fn(|| self.feed.poll_notice()));
            let Some(request) = self.feed.poll_read() else { break };
            let page = self.page(request.range, request.max_events as usize, request.max_bytes as usize);
            self.feed.handle_page(self.now, request.id, &page);
            let outstanding = self.feed.outstanding();
            assert!(outstanding <= self.window.events as usize, "[AW-SEND-3] {outstanding} outstanding");
        }
        sent
    }

    /// The frames that wait, without reading on.
    pub fn drain_frames(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.feed.poll_transmit()).map(|frame| text(&frame)).collect()
    }

    pub fn page(&self, range: SeqRange, events: usize, bytes: usize) -> Page {
        let within: Vec<_> = self.log.iter().filter(|entry| range.contains(entry.seq())).cloned().collect();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for entry in &within {
            let taken: usize = entries.iter().map(|entry| entry.bytes()).sum();
            if !entries.is_empty() && (entries.len() >= events || taken + entry.bytes() > bytes) {
                break;
            }
            entries.push(entry.clone());
        }
        let upto = match entries.last() {
            Some(last) if entries.len() < within.len() => last.seq(),
            _ => range.upto().min(self.tail.head),
        };
        let epoch = self.tail.epoch.clone();
        let compacted = self.compacted.iter().filter(|gone| **gone <= upto && range.contains(**gone));
        let compacted = compacted.filter_map(|gone| SeqRange::single(*gone)).collect();
        Page { epoch, entries, upto, oldest: self.tail.oldest, compacted }
    }

    pub fn delivery(&self, n: u64) -> Delivery {
        self.feed.tracker().delivery(&event(n))
    }

    pub fn state(&self, n: u64) -> State {
        self.delivery(n).state
    }

    pub fn position(&self) -> u64 {
        self.feed.tracker().position().get()
    }
}

fn text(frame: &FeedFrame) -> String {
    match frame {
        FeedFrame::Events(EventsOut { after, upto, entries, .. }) if after == upto => {
            assert!(entries.is_empty(), "a mark lists nothing");
            format!("mark {upto}")
        }
        FeedFrame::Events(EventsOut { after, upto, entries, requeued }) => {
            let name = if *requeued { "requeued" } else { "events" };
            let mut text = format!("{name} ({after},{upto}]");
            for (entry, attempt) in entries {
                let seq = entry.seq();
                assert!(seq > *after && seq <= *upto, "{seq} in ({after},{upto}]");
                text += &match attempt {
                    1 => format!(" {seq}"),
                    _ => format!(" {seq}#{attempt}"),
                };
            }
            text
        }
        FeedFrame::Control(ServerFrame::Lost { range, .. }) => {
            format!("lost ({},{}] {}", range.after, range.upto, range.reason.as_str())
        }
        FeedFrame::Control(ServerFrame::Ended { seq, .. }) => format!("ended {seq}"),
        FeedFrame::Control(ServerFrame::Subscribed(subscribed)) => {
            let mut text = format!("subscribed after {}", subscribed.after);
            if let Some(lost) = subscribed.lost {
                text += &format!(" lost ({},{}] {}", lost.after, lost.upto, lost.reason.as_str());
            }
            if let Some(void) = &subscribed.reset {
                text += &format!(" reset {}/{}", void.epoch, void.seq);
            }
            text
        }
        FeedFrame::Control(other) => panic!("a feed does not send {other:?}"),
    }
}
