//! Timelines of the receiving end: `ackwire::receive::Session`.

use ackwire::base::Instant;
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, IdHasher, Notice, Outcome, Session, SocketId, State, StateReason,
    SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{
    self, ConsumerId, EventId, Priority, Seq, SeqRange, ServerFrame, StreamName, Subscribe, decode_events,
    decode_server,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::rc::Rc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timeline {
    #[allow(dead_code, reason = "for people")]
    name: String,
    clauses: Vec<String>,
    #[serde(default)]
    config: Settings,
    #[serde(default)]
    checkpoint: String,
    #[serde(default)]
    subscribe: Vec<Subscribe>,
    /// Begin after `connect`, `open`, `welcome`, and a `subscribed` at 0 of epoch `e1` for each subscription, at time 0.
    #[serde(default)]
    connected: bool,
    steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    has_token: bool,
    max_tries: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    #[serde(default, rename = "in")]
    input: Option<Input>,
    #[serde(default)]
    sends: Vec<Value>,
    #[serde(default)]
    tells: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Input {
    Connect,
    Close,
    Flush,
    Hide,
    Wake,
    Token(Option<String>),
    TokenFailed(String),
    Open(SocketId),
    Closed {
        socket: SocketId,
        code: u16,
    },
    /// On the newest socket.
    Frame(Value),
    FrameOn {
        socket: SocketId,
        frame: Value,
    },
    Confirm {
        stream: StreamName,
        seq: u64,
        #[serde(default = "one")]
        attempt: u32,
    },
    ConfirmRun {
        stream: StreamName,
        range: SeqRange,
    },
    Fail {
        stream: StreamName,
        seq: u64,
        #[serde(default = "one")]
        attempt: u32,
        error: String,
        #[serde(default = "yes")]
        retry: bool,
    },
    Subscribe(Subscribe),
    Unsubscribe(StreamName),
    Publish {
        stream: StreamName,
        id: EventId,
        #[serde(default)]
        bytes: usize,
    },
    /// Only compares; for `position`.
    Position {
        stream: StreamName,
        received: u64,
        delivered: u64,
        confirmed: u64,
    },
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// What the application's side of the test keeps of a frame: (seq, attempt) of each event; or a publish's id.
type Payload = Rc<Vec<(u64, u32)>>;

struct Run {
    session: Session<Payload>,
    streams: Vec<(StreamName, SubscriptionId)>,
    hasher: IdHasher,
    newest: SocketId,
    now: Instant,
}

pub fn run(text: &str) {
    let timeline: Timeline = serde_json::from_str(text).expect("a timeline");
    super::assert_clauses(&timeline.clauses);
    let mut config = Config::new(ConsumerId::new("c").unwrap());
    config.agent = "vector".into();
    config.has_token = timeline.config.has_token;
    config.max_tries = timeline.config.max_tries;
    let session = Session::new(config, Checkpoint::from_text(&timeline.checkpoint), 1);
    let mut run = Run { session, streams: Vec::new(), hasher: IdHasher::new(1, 2), newest: 1, now: Instant::default() };
    for subscribe in timeline.subscribe {
        run.input(Input::Subscribe(subscribe));
    }
    if timeline.connected {
        run.connect();
    }
    for (index, step) in timeline.steps.into_iter().enumerate() {
        let (mut sends, mut tells) = run.advance(Instant::from_millis(step.at));
        if let Some(input) = step.input {
            run.input(input);
        }
        run.drain(&mut sends, &mut tells);
        let place = format!("step {} at {}", index + 1, step.at);
        assert_eq!(Value::from(sends), Value::from(step.sends), "{place}: sends");
        assert_eq!(Value::from(tells), Value::from(step.tells), "{place}: tells");
    }
}

impl Run {
    fn connect(&mut self) {
        self.input(Input::Connect);
        self.input(Input::Open(1));
        self.input(Input::Frame(json!({
            "type": "welcome", "connection": "x", "consumer": "c", "heartbeat_ms": 25000, "max_frame_bytes": 262144,
            "server": { "name": "vector", "version": "0" },
        })));
        for (stream, _) in self.streams.clone() {
            self.input(Input::Frame(json!({
                "type": "subscribed", "stream": stream, "epoch": "e1", "after": 0, "head": 0, "oldest": 1,
                "replayed_upto": 0,
            })));
        }
        self.drain(&mut Vec::new(), &mut Vec::new());
    }

    /// Fires every timer up to `to`, each at its time.
    fn advance(&mut self, to: Instant) -> (Vec<Value>, Vec<Value>) {
        let (mut sends, mut tells) = (Vec::new(), Vec::new());
        assert!(to >= self.now, "steps go forward");
        for _ in 0..10_000 {
            let Some(due) = self.session.poll_timeout().filter(|&due| due <= to) else {
                self.now = to;
                return (sends, tells);
            };
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain(&mut sends, &mut tells);
        }
        panic!("a timer that stays due");
    }

    fn input(&mut self, input: Input) {
        let (now, session) = (self.now, &mut self.session);
        let seq = |n: u64| Seq::new(n).expect("a seq");
        let id = |streams: &[(StreamName, SubscriptionId)], stream: &StreamName| {
            streams.iter().find(|(name, _)| name == stream).expect("a subscription").1
        };
        match input {
            Input::Connect => session.connect(now),
            Input::Close => session.close(now),
            Input::Flush => session.flush(now),
            Input::Hide => session.handle_hide(now),
            Input::Wake => session.handle_wake(now),
            Input::Token(token) => session.handle_token(now, token),
            Input::TokenFailed(message) => session.handle_token_failed(now, message),
            Input::Open(socket) => {
                self.newest = socket;
                session.handle_open(now, socket);
            }
            Input::Closed { socket, code } => session.handle_closed(now, socket, code, ""),
            Input::Frame(frame) => self.frame(self.newest, frame),
            Input::FrameOn { socket, frame } => self.frame(socket, frame),
            Input::Confirm { stream, seq: n, attempt } => {
                session.settle(now, id(&self.streams, &stream), seq(n), attempt, Outcome::Confirmed);
            }
            Input::ConfirmRun { stream, range } => session.settle_run(now, id(&self.streams, &stream), range),
            Input::Fail { stream, seq: n, attempt, error, retry } => {
                let outcome = Outcome::Failed { error, retry };
                session.settle(now, id(&self.streams, &stream), seq(n), attempt, outcome);
            }
            Input::Subscribe(Subscribe { stream, from, window, filter, .. }) => {
                let options = SubscribeOptions { stream: stream.clone(), from, window, filter };
                let id = session.subscribe(now, options).expect("a subscription");
                self.streams.retain(|(name, _)| *name != stream);
                self.streams.push((stream, id));
            }
            Input::Unsubscribe(stream) => session.unsubscribe(now, id(&self.streams, &stream)),
            Input::Publish { stream, id, bytes } => {
                let message = Rc::new(id.bytes().map(|byte| (u64::from(byte), 0)).collect());
                session.publish(now, (id, stream), message, bytes).expect("room in the outbox");
            }
            Input::Position { stream, received, delivered, confirmed } => {
                let is = session.position(id(&self.streams, &stream)).expect("a position");
                let is = (is.received.get(), is.delivered.get(), is.confirmed.get());
                assert_eq!(is, (received, delivered, confirmed), "received, delivered, confirmed");
            }
        }
    }

    fn frame(&mut self, socket: SocketId, frame: Value) {
        let text = frame.to_string();
        match decode_events(&text) {
            Ok(Some(frame)) => {
                let head = |event: &wire::Event| Head {
                    seq: event.seq,
                    id_hash: self.hasher.hash(&event.id),
                    attempt: event.attempt,
                    critical: event.priority == Priority::Critical,
                };
                let heads: Vec<Head> = frame.events.iter().map(head).collect();
                let payload = Rc::new(frame.events.iter().map(|event| (event.seq.get(), event.attempt)).collect());
                let ackwire::wire::EventsFrame { after, upto, requeued, .. } = frame;
                let batch = Batch { after, upto, requeued, heads: &heads, payload };
                self.session.handle_events(self.now, socket, &frame.stream, batch);
            }
            Ok(None) => match decode_server(&text) {
                Ok(Some(frame)) => self.control(socket, frame),
                Ok(None) => self.session.handle_unknown(self.now, socket),
                Err(_) => self.session.handle_invalid(self.now, socket, "an invalid frame"),
            },
            Err(_) => self.session.handle_invalid(self.now, socket, "an invalid frame"),
        }
    }

    fn control(&mut self, socket: SocketId, frame: ServerFrame) {
        self.session.handle_frame(self.now, socket, frame);
    }

    fn drain(&mut self, sends: &mut Vec<Value>, tells: &mut Vec<Value>) {
        while let Some(transmit) = self.session.poll_transmit() {
            sends.push(describe_transmit(transmit));
        }
        while let Some(notice) = self.session.poll_notice() {
            tells.push(self.describe_notice(notice));
        }
        while self.session.poll_checkpoint().is_some() {}
    }

    fn stream(&self, subscription: SubscriptionId) -> &str {
        let known = self.streams.iter().find(|(_, id)| *id == subscription);
        known.map_or("(gone)", |(name, _)| name)
    }

    fn describe_notice(&self, notice: Notice<Payload>) -> Value {
        let range = |range: SeqRange| json!([range.after(), range.upto()]);
        match notice {
            Notice::Deliver { subscription, payload, start, end } => {
                let events = payload[start as usize..end as usize].iter();
                let events: Vec<Value> = events
                    .map(
                        |&(seq, attempt)| {
                            if attempt == 1 { json!(seq) } else { json!({ "seq": seq, "attempt": attempt }) }
                        },
                    )
                    .collect();
                json!({ "deliver": self.stream(subscription), "events": events })
            }
            Notice::State { current, reason, .. } => describe_state(current, &reason),
            Notice::Subscribed { subscription, epoch, after, head, replayed_upto } => json!({
                "subscribed": self.stream(subscription), "epoch": epoch, "after": after, "head": head,
                "replayed_upto": replayed_upto,
            }),
            Notice::Gap { subscription, range: gap } => {
                json!({ "gap": self.stream(subscription), "range": range(gap) })
            }
            Notice::Repaired { subscription, range: gap } => {
                json!({ "repaired": self.stream(subscription), "range": range(gap) })
            }
            Notice::Lost { subscription, range: lost, reason } => {
                json!({ "lost": self.stream(subscription), "range": range(lost), "reason": reason })
            }
            Notice::Reset { subscription, void, position } => {
                json!({ "reset": self.stream(subscription), "void": void, "position": position })
            }
            Notice::Ended { subscription, seq } => json!({ "ended": self.stream(subscription), "seq": seq }),
            Notice::Published { id, seq, duplicate, .. } => {
                json!({ "published": id, "seq": seq, "duplicate": duplicate })
            }
            Notice::Rejected { id, code, .. } => json!({ "rejected": id, "code": code }),
            Notice::Error { code, subscription, .. } => match subscription {
                Some(subscription) => json!({ "error": code.as_str(), "stream": self.stream(subscription) }),
                None => json!({ "error": code.as_str() }),
            },
            Notice::Flushed => json!({ "flushed": true }),
        }
    }
}

fn describe_state(current: State, reason: &StateReason) -> Value {
    json!({ "state": format!("{current:?}").to_lowercase(), "reason": reason.as_str() })
}

fn describe_transmit(transmit: Transmit<Payload>) -> Value {
    match transmit {
        Transmit::Token => json!({ "ask": "token" }),
        Transmit::Open { socket } => json!({ "open": socket }),
        Transmit::Frame { frame, .. } => serde_json::from_str(&frame.to_json()).expect("a frame is JSON"),
        Transmit::Publish { message, .. } => {
            let id: String = message.iter().map(|&(byte, _)| char::from(u8::try_from(byte).expect("a byte"))).collect();
            json!({ "publish": id })
        }
        Transmit::Close { socket, code, .. } => json!({ "close": socket, "code": code }),
    }
}
