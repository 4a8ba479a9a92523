//! A session with one stream. What it sends and tells reads as text, in that order:
//! `ack 3 also (4,5]`, `nack 2#1`, `resend (3,5]`, `deliver 1 2#2`, `lost (0,2] expired`, `waiting socket_closed`.

use ackwire::base::{Duration, Instant};
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, Notice, Outcome, Session, SocketId, SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{ClientFrame, ConsumerId, Seq, SeqRange, ServerFrame, StreamName, Window, decode_server};
use serde_json::json;
use std::rc::Rc;

/// (seq, attempt) of each event.
type Payload = Rc<Vec<(u64, u32)>>;

pub struct Bench {
    pub session: Session<Payload>,
    pub now: Instant,
    pub stream: SubscriptionId,
    pub socket: SocketId,
    /// How long the session said that it waits before its next try.
    pub retry_in: Option<Duration>,
}

pub fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

pub fn range(after: u64, upto: u64) -> SeqRange {
    SeqRange::new(seq(after), seq(upto)).unwrap()
}

pub fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub fn config() -> Config {
    Config::new(ConsumerId::new("c").unwrap())
}

impl Bench {
    /// Subscribed to `s` with a window of 8 events, and not connected.
    pub fn idle(config: Config, seed: u64) -> Self {
        let mut session = Session::new(config, Checkpoint::default(), seed);
        let window = Window::new(8, 65_536).unwrap();
        let options = SubscribeOptions { window, ..SubscribeOptions::new(stream("s")) };
        let id = session.subscribe(Instant::default(), options).unwrap();
        Self { session, now: Instant::default(), stream: id, socket: 0, retry_in: None }
    }

    /// Connected, and `s` begins at 0 of epoch `e1`.
    pub fn new() -> Self {
        Self::connected(config())
    }

    /// The same with another configuration.
    pub fn connected(config: Config) -> Self {
        let mut bench = Self::idle(config, 1);
        bench.session.connect(bench.now);
        bench.up();
        bench.subscribed("e1", 0);
        bench.drain();
        bench
    }

    /// The next socket opens and is welcomed.
    pub fn up(&mut self) -> Vec<String> {
        let mut out = self.drain();
        self.session.handle_open(self.now, self.socket);
        self.welcome(None);
        out.extend(self.drain());
        out
    }

    pub fn welcome(&mut self, token_expires_in_ms: Option<u64>) {
        self.frame(json!({
            "type": "welcome", "connection": "x", "consumer": "c", "heartbeat_ms": 25_000, "max_frame_bytes": 1000,
            "token_expires_in_ms": token_expires_in_ms, "server": { "name": "bench", "version": "0" },
        }));
    }

    /// The socket closes, and the next one opens at once and is welcomed.
    pub fn up_again(&mut self) {
        self.close(1006);
        self.session.handle_wake(self.now);
        self.up();
    }

    pub fn subscribed(&mut self, epoch: &str, after: u64) -> Vec<String> {
        self.frame(json!({
            "type": "subscribed", "stream": "s", "epoch": epoch, "after": after, "head": after, "oldest": 1,
            "replayed_upto": after,
        }));
        self.drain()
    }

    pub fn frame(&mut self, frame: serde_json::Value) {
        self.frame_on(self.socket, frame);
    }

    pub fn frame_on(&mut self, socket: SocketId, frame: serde_json::Value) {
        match decode_server(&frame.to_string()).expect("a frame") {
            Some(frame) => self.session.handle_frame(self.now, socket, frame),
            None => self.session.handle_unknown(self.now, socket),
        }
    }

    /// Events of `s` in their first attempt; the id of each is its seq.
    pub fn events(&mut self, after: u64, upto: u64, seqs: &[u64]) -> Vec<String> {
        let events: Vec<(u64, u32, u64)> = seqs.iter().map(|n| (*n, 1, *n)).collect();
        self.batch(self.socket, "s", (after, upto, false), &events);
        self.drain()
    }

    /// A dead letter of `s` in its second life.
    pub fn requeued(&mut self, n: u64, attempt: u32) -> Vec<String> {
        self.batch(self.socket, "s", (n - 1, n, true), &[(n, attempt, n)]);
        self.drain()
    }

    /// Events as (seq, attempt, id).
    pub fn batch(
        &mut self,
        socket: SocketId,
        stream: &str,
        (after, upto, requeued): (u64, u64, bool),
        events: &[(u64, u32, u64)],
    ) {
        let head = |&(n, attempt, id_hash): &(u64, u32, u64)| Head { seq: seq(n), id_hash, attempt, critical: false };
        let heads: Vec<Head> = events.iter().map(head).collect();
        let payload = Rc::new(events.iter().map(|(n, attempt, _)| (*n, *attempt)).collect());
        let batch = Batch { after: seq(after), upto: seq(upto), requeued, heads: &heads, payload };
        self.session.handle_events(self.now, socket, stream, batch);
    }

    pub fn confirm(&mut self, n: u64, attempt: u32) -> Vec<String> {
        self.session.settle(self.now, self.stream, seq(n), attempt, Outcome::Confirmed);
        self.drain()
    }

    pub fn confirm_run(&mut self, after: u64, upto: u64) -> Vec<String> {
        self.session.settle_run(self.now, self.stream, range(after, upto));
        self.drain()
    }

    pub fn fail(&mut self, n: u64, attempt: u32) -> Vec<String> {
        let outcome = Outcome::Failed { error: "no".into(), retry: true };
        self.session.settle(self.now, self.stream, seq(n), attempt, outcome);
        self.drain()
    }

    pub fn close(&mut self, code: u16) -> Vec<String> {
        self.session.handle_closed(self.now, self.socket, code, "");
        self.drain()
    }

    /// Time passes, timer by timer.
    pub fn wait(&mut self, millis: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(millis);
        let (mut out, mut fired) = (Vec::new(), 0);
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            fired += 1;
            assert!(fired < 10_000, "it never comes to rest");
            self.now = due.max(self.now);
            self.session.handle_timeout(self.now);
            out.extend(self.drain());
        }
        self.now = end;
        out
    }

    /// The timer is early.
    pub fn wait_and_call_too_early(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now + Duration::from_millis(millis);
        self.session.handle_timeout(self.now);
        self.drain()
    }

    pub fn drain(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(transmit) = self.session.poll_transmit() {
            if let Transmit::Open { socket } = transmit {
                self.socket = socket;
            }
            out.push(sent(transmit));
        }
        while let Some(notice) = self.session.poll_notice() {
            if let Notice::State { retry_in, .. } = notice {
                self.retry_in = retry_in;
            }
            out.push(told(notice));
        }
        out
    }

    /// What the page would keep for its next life, if that has changed.
    pub fn kept(&mut self) -> Option<String> {
        self.session.poll_checkpoint().map(|checkpoint| checkpoint.to_text())
    }
}

fn sent(transmit: Transmit<Payload>) -> String {
    let numbered = |name: &str, n: Seq, attempt: u32| format!("{name} {n}#{attempt}");
    match transmit {
        Transmit::Token => "token?".into(),
        Transmit::Open { socket } => format!("open {socket}"),
        Transmit::Close { code, .. } => format!("close {code}"),
        Transmit::Publish { .. } => "publish".into(),
        Transmit::Frame { frame, .. } => match frame {
            ClientFrame::Ack(ack) => {
                let also: String =
                    ack.also.iter().map(|range| format!(" also ({},{}]", range.after(), range.upto())).collect();
                format!("ack {}{also}", ack.upto)
            }
            ClientFrame::Nack(nack) => numbered("nack", nack.seq, nack.attempt),
            ClientFrame::Confirm(confirm) => numbered("confirm", confirm.seq, confirm.attempt),
            ClientFrame::Resend(resend) => {
                let ranges = resend.ranges.iter().map(|range| format!(" ({},{}]", range.after(), range.upto()));
                format!("resend{}", ranges.collect::<String>())
            }
            ClientFrame::Hello(hello) => format!("hello of {}", hello.subscriptions.len()),
            ClientFrame::Subscribe(subscribe) => format!("subscribe {}", subscribe.stream),
            ClientFrame::Unsubscribe { stream } => format!("unsubscribe {stream}"),
            ClientFrame::Auth { token } => format!("auth {token}"),
            ClientFrame::Ping => "ping".into(),
            other => format!("{other:?}"),
        },
    }
}

fn told(notice: Notice<Payload>) -> String {
    match notice {
        Notice::Deliver { payload, start, end, .. } => {
            let events = payload[start as usize..end as usize].iter();
            let texts =
                events.map(|(n, attempt)| if *attempt == 1 { format!(" {n}") } else { format!(" {n}#{attempt}") });
            format!("deliver{}", texts.collect::<String>())
        }
        Notice::State { current, reason, .. } => {
            format!("{} {}", format!("{current:?}").to_lowercase(), reason.as_str())
        }
        Notice::Subscribed { epoch, after, .. } => format!("subscribed {epoch} after {after}"),
        Notice::Gap { range, .. } => format!("gap ({},{}]", range.after(), range.upto()),
        Notice::Repaired { range, .. } => format!("repaired ({},{}]", range.after(), range.upto()),
        Notice::Lost { range, reason, .. } => format!("lost ({},{}] {}", range.after(), range.upto(), reason.as_str()),
        Notice::Reset { void, .. } => format!("reset {}/{}", void.epoch, void.seq),
        Notice::Ended { seq, .. } => format!("ended {seq}"),
        Notice::Error { code, .. } => format!("error {}", code.as_str()),
        other => format!("{other:?}"),
    }
}

/// A frame that says nothing of itself: of a type that nobody knows yet.
pub fn of_tomorrow() -> serde_json::Value {
    json!({ "type": "of_tomorrow" })
}

/// A sign of life.
pub fn pong() -> serde_json::Value {
    serde_json::to_value(ServerFrame::Pong).unwrap()
}
