//! The receiving end: what a frame and an event cost between the socket and the application's handler, and back.

use ackwire::base::{Duration, Instant};
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, IdHasher, Notice, Session, SocketId, SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{
    ConsumerId, Epoch, Seq, SeqRange, ServerFrame, ServerInfo, StreamName, Subscribed, Welcome, Window,
};
use std::hint::black_box;

use crate::{Scenario, Work};

/// How many events a run brings.
const EVENTS: u64 = 3_200;

pub fn scenarios() -> Vec<Scenario> {
    let run = |streams: u64, per_frame: u64, order: fn(Vec<Frame>) -> Vec<Frame>| {
        move || -> Work {
            let mut client = Client::new(streams);
            let frames = order(frames(streams, per_frame));
            Box::new(move || frames.iter().for_each(|frame| client.hear(frame)))
        }
    };
    vec![
        Scenario::new("session: frames of 1 event", (EVENTS, "frame"), run(1, 1, as_sent)),
        Scenario::new("session: frames of 64 events", (EVENTS, "event"), run(1, 64, as_sent)),
        Scenario::new("session: frames of 1 event, 20 streams in turn", (EVENTS, "frame"), run(20, 1, as_sent)),
        Scenario::new("session: every frame comes twice", (EVENTS, "frame"), run(1, 1, twice)),
        Scenario::new("session: every tenth frame comes late", (EVENTS, "frame"), run(1, 1, tenth_late)),
        Scenario::new("session: an id is hashed", (EVENTS, "event"), hashing),
    ]
}

/// An `events` frame as the shell hands it in.
#[derive(Clone)]
struct Frame {
    stream: usize,
    range: SeqRange,
    heads: Vec<Head>,
}

fn frames(streams: u64, per_frame: u64) -> Vec<Frame> {
    let frame = |number: u64| {
        let after = number / streams * per_frame;
        let head =
            |n: u64| Head { seq: seq(n), id_hash: n.wrapping_mul(0x9e37_79b9_7f4a_7c15), attempt: 1, critical: false };
        let heads = (after + 1..=after + per_frame).map(head).collect();
        Frame { stream: (number % streams) as usize, range: range(after, after + per_frame), heads }
    };
    (0..EVENTS / per_frame).map(frame).collect()
}

fn as_sent(frames: Vec<Frame>) -> Vec<Frame> {
    frames
}

fn twice(frames: Vec<Frame>) -> Vec<Frame> {
    frames.into_iter().flat_map(|frame| [frame.clone(), frame]).collect()
}

/// It comes after the four that follow it.
fn tenth_late(mut frames: Vec<Frame>) -> Vec<Frame> {
    frames.chunks_exact_mut(10).for_each(|ten| ten[3..8].rotate_left(1));
    frames
}

/// Connected, subscribed, and with an application that handles at once whatever comes.
struct Client {
    /// Its payload is the seq before the frame's first event.
    session: Session<Seq>,
    now: Instant,
    socket: SocketId,
    streams: Vec<(StreamName, SubscriptionId)>,
    heard: u64,
}

impl Client {
    fn new(streams: u64) -> Self {
        let config = Config::new(ConsumerId::new("page").expect("a name"));
        let session = Session::new(config, Checkpoint::default(), 1);
        let mut client = Self { session, now: Instant::default(), socket: 0, streams: Vec::new(), heard: 0 };
        for number in 0..streams {
            let name = StreamName::new(&format!("run:{number}")).expect("a name");
            let window = Window::new(1000, 1 << 20).expect("within the bounds");
            let options = SubscribeOptions { window, ..SubscribeOptions::new(name.clone()) };
            let id = client.session.subscribe(client.now, options).expect("room for it");
            client.streams.push((name, id));
        }
        client.session.connect(client.now);
        client.drain();
        client.session.handle_open(client.now, client.socket);
        client.session.handle_frame(client.now, client.socket, welcome());
        for (name, _) in client.streams.clone() {
            client.session.handle_frame(client.now, client.socket, subscribed(name));
        }
        client.drain();
        client
    }

    /// A frame comes, a tenth of a millisecond after the one before it; its events are handled and confirmed.
    fn hear(&mut self, frame: &Frame) {
        self.heard += 1;
        if self.heard.is_multiple_of(10) {
            self.now = self.now + Duration::from_millis(1);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= self.now) {
            self.session.handle_timeout(self.now);
            self.drain();
        }
        let (name, _) = &self.streams[frame.stream];
        let batch = Batch {
            after: frame.range.after(),
            upto: frame.range.upto(),
            requeued: false,
            heads: &frame.heads,
            payload: frame.range.after(),
        };
        self.session.handle_events(self.now, self.socket, name, batch);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.session.poll_transmit() {
                match transmit {
                    Transmit::Open { socket } => self.socket = socket,
                    Transmit::Frame { frame, .. } => drop(black_box(frame.to_json())),
                    _ => {}
                }
            }
            match self.session.poll_notice() {
                Some(Notice::Deliver { subscription, payload, start, end }) => {
                    let run = range(payload.get() + u64::from(start), payload.get() + u64::from(end));
                    // One call for a run, as the facade does.
                    self.session.settle_run(self.now, subscription, run);
                }
                Some(_) => {}
                None => break,
            }
        }
        black_box(self.session.poll_checkpoint());
    }
}

/// 36 bytes, as a UUID has.
fn hashing() -> Work {
    let hasher = IdHasher::new(1, 2);
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    Box::new(move || {
        ids.iter().for_each(|id| {
            black_box(hasher.hash(id));
        })
    })
}

fn welcome() -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        connection: "1".into(),
        consumer: ConsumerId::new("page").expect("a name"),
        heartbeat_ms: 25_000,
        max_frame_bytes: 1 << 20,
        token_expires_in_ms: None,
        server: ServerInfo { name: "bench".into(), version: "0".into() },
    })
}

fn subscribed(stream: StreamName) -> ServerFrame {
    ServerFrame::Subscribed(Subscribed {
        stream,
        epoch: Epoch::new("one").expect("an epoch"),
        after: Seq::ZERO,
        head: seq(EVENTS),
        oldest: seq(1),
        replayed_upto: seq(EVENTS),
        lost: None,
        reset: None,
    })
}

fn seq(n: u64) -> Seq {
    Seq::new(n).expect("below 2^53")
}

fn range(after: u64, upto: u64) -> SeqRange {
    SeqRange::new(seq(after), seq(upto)).expect("not empty")
}
