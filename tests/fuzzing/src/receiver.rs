//! A client whose server says what it likes. Whatever comes, the application gets each event once and in order, and
//! nothing is confirmed to the server that was not applied.

mod ledger;
mod server;

use ackwire::base::{Duration, Instant};
use ackwire::receive::{
    Batch, Checkpoint, Config, Head, Notice, Outcome, PublishError, Session, SocketId, SubscribeError,
    SubscribeOptions, SubscriptionId, Transmit,
};
use ackwire::wire::{
    ClientFrame, ConsumerId, Decoded, EventId, MAX_ERROR_BYTES, MAX_RANGES, StreamName, decode_client,
};
use arbitrary::{Arbitrary, Result, Unstructured};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::words;
use ledger::Ledger;

const MAX_OPERATIONS: usize = 400;
const MAX_OUTBOX: usize = 3;
const MAX_SUBSCRIPTIONS: usize = 2;
/// More timers than this at one moment are no progress.
const MAX_STANDSTILL: usize = 100;
/// Most frames that may be held behind a gap [AW-RECV-4].
const MAX_HELD: u32 = 1024;

/// What a frame of events is to this application: its heads, and whether it is a second life.
#[derive(Debug, PartialEq)]
struct Payload {
    heads: Vec<Head>,
    requeued: bool,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Connect,
    Close,
    Flush,
    Subscribe,
    Unsubscribe { which: u8 },
    Settle { which: u8, at: u8, ok: bool, retry: bool },
    SettleUnknown { which: u8, attempt: u8, ok: bool },
    SettleRun { which: u8 },
    Publish { id: u8 },
    Token { good: bool },
    Open { old: bool },
    Welcome,
    Frame,
    Events,
    MoreEvents { count: u8 },
    Invalid,
    Unknown,
    Closed { code: u16 },
    Wake,
    Hide,
    Reload,
    Pass { millis: u16 },
    PassMuch { secs: u16 },
}

struct Client {
    now: Instant,
    session: Session<Rc<Payload>>,
    config: Config,
    /// The newest socket that was asked for.
    socket: SocketId,
    stored: Checkpoint,
    ledgers: BTreeMap<SubscriptionId, Ledger>,
}

pub fn run(choices: &mut Unstructured) -> Result<()> {
    let mut config = Config::new(ConsumerId::new("tab").expect("a name"));
    config.has_token = choices.ratio(1, 4)?;
    config.max_outbox = MAX_OUTBOX;
    config.max_subscriptions = MAX_SUBSCRIPTIONS;
    let mut client = Client {
        now: Instant::from_millis(1_000_000),
        session: Session::new(config.clone(), Checkpoint::default(), choices.arbitrary()?),
        config,
        socket: 0,
        stored: Checkpoint::default(),
        ledgers: BTreeMap::new(),
    };
    // Most stories begin like this.
    client.session.connect(client.now);
    client.subscribe(choices)?;
    client.drain();
    for _ in 0..MAX_OPERATIONS {
        if choices.is_empty() {
            break;
        }
        let operation = choices.arbitrary()?;
        client.operate(operation, choices)?;
        client.drain();
        client.check();
    }
    Ok(())
}

impl Client {
    fn operate(&mut self, operation: Operation, choices: &mut Unstructured) -> Result<()> {
        let now = self.now;
        match operation {
            Operation::Connect => self.session.connect(now),
            Operation::Close => self.session.close(now),
            Operation::Flush => self.session.flush(now),
            Operation::Subscribe => self.subscribe(choices)?,
            Operation::Unsubscribe { which } => {
                if let Some(id) = self.pick(which) {
                    self.session.unsubscribe(now, id);
                    self.ledgers.remove(&id);
                }
            }
            Operation::Settle { which, at, ok, retry } => self.settle(which, at, ok, retry),
            Operation::SettleUnknown { which, attempt, ok } => {
                let (Some(id), seq) = (self.pick(which), words::seq(choices)?) else { return Ok(()) };
                let ledger = self.ledgers.get_mut(&id).expect("it was picked");
                // Only what does not run: the rest is `Settle`'s.
                if !ledger.runs(seq, u32::from(attempt)) {
                    self.session.settle(now, id, seq, u32::from(attempt), outcome(ok, true));
                }
            }
            Operation::SettleRun { which } => {
                let (Some(id), range) = (self.pick(which), words::range(choices)?) else { return Ok(()) };
                self.ledgers.get_mut(&id).expect("it was picked").settle_run(range);
                self.session.settle_run(now, id, range);
            }
            Operation::Publish { id } => self.publish(id, words::stream(choices)?),
            Operation::Token { good: true } => self.session.handle_token(now, Some("token".into())),
            Operation::Token { good: false } => self.session.handle_token_failed(now, "offline".into()),
            Operation::Open { old } => self.session.handle_open(now, self.socket.saturating_sub(u32::from(old))),
            Operation::Welcome => {
                self.session.handle_open(now, self.socket);
                self.drain();
                self.session.handle_frame(now, self.socket, server::welcome(choices)?);
            }
            Operation::Frame => {
                let frame = server::frame(choices)?;
                self.session.handle_frame(now, self.socket, frame);
            }
            Operation::Events => {
                let events = server::events(choices)?;
                self.events(&words::stream(choices)?, events);
            }
            Operation::MoreEvents { count } => {
                let Some((id, ledger)) = self.ledgers.iter().next() else { return Ok(()) };
                let after = self.session.position(*id).expect("a subscription").received;
                let stream = ledger.stream.clone();
                self.events(&stream, server::more_events(after, u64::from(count % 24)));
            }
            Operation::Invalid => self.session.handle_invalid(now, self.socket, "no frame"),
            Operation::Unknown => self.session.handle_unknown(now, self.socket),
            Operation::Closed { code } => self.session.handle_closed(now, self.socket, code, "gone"),
            Operation::Wake => self.session.handle_wake(now),
            Operation::Hide => self.session.handle_hide(now),
            Operation::Reload => {
                let text = self.stored.to_text();
                let stored = Checkpoint::from_text(&text);
                assert_eq!(stored.to_text(), text, "a checkpoint survives its storage");
                self.session = Session::new(self.config.clone(), stored, choices.arbitrary()?);
                self.ledgers.clear();
                self.socket = 0;
                self.session.connect(now);
                self.subscribe(choices)?;
            }
            Operation::Pass { millis } => self.pass(Duration::from_millis(u64::from(millis))),
            Operation::PassMuch { secs } => self.pass(Duration::from_secs(u64::from(secs))),
        }
        Ok(())
    }

    fn pick(&self, which: u8) -> Option<SubscriptionId> {
        self.ledgers.keys().nth(usize::from(which) % self.ledgers.len().max(1)).copied()
    }

    fn subscribe(&mut self, choices: &mut Unstructured) -> Result<()> {
        let stream = words::stream(choices)?;
        let options = SubscribeOptions {
            from: words::from(choices)?,
            window: words::window(choices)?,
            filter: words::filter(choices)?,
            ..SubscribeOptions::new(stream.clone())
        };
        let has_it = self.ledgers.values().any(|ledger| ledger.stream == stream);
        match self.session.subscribe(self.now, options) {
            Ok(id) => assert!(!has_it && self.ledgers.insert(id, Ledger::new(stream)).is_none()),
            Err(SubscribeError::AlreadySubscribed) => assert!(has_it),
            Err(SubscribeError::TooMany) => assert_eq!(self.ledgers.len(), MAX_SUBSCRIPTIONS),
        }
        Ok(())
    }

    fn settle(&mut self, which: u8, at: u8, ok: bool, retry: bool) {
        let Some(id) = self.pick(which) else { return };
        let ledger = self.ledgers.get_mut(&id).expect("it was picked");
        let Some((seq, attempt)) = ledger.nth_running(usize::from(at)) else { return };
        ledger.settle(seq, ok);
        self.session.settle(self.now, id, seq, attempt, outcome(ok, retry));
    }

    fn publish(&mut self, id: u8, stream: StreamName) {
        let id = EventId::new(&format!("p{}", id % 8)).expect("an id");
        let waiting = self.session.stats().outbox as usize;
        let message = Rc::new(Payload { heads: Vec::new(), requeued: false });
        if self.session.publish(self.now, (id, stream), message, 100) == Err(PublishError::OutboxFull) {
            assert_eq!(waiting, MAX_OUTBOX);
        }
    }

    fn events(&mut self, stream: &StreamName, events: server::Events) {
        let server::Events { after, upto, requeued, heads } = events;
        let payload = Rc::new(Payload { heads: heads.clone(), requeued });
        let batch = Batch { after, upto, requeued, heads: &heads, payload };
        self.session.handle_events(self.now, self.socket, stream, batch);
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut standstill = 0;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            standstill = if due > self.now { 0 } else { standstill + 1 };
            assert!(standstill < MAX_STANDSTILL, "a timer is due again and again, and no time passes");
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Drains the session: first what the application is told, as a shell does, then what is sent.
    fn drain(&mut self) {
        while let Some(notice) = self.session.poll_notice() {
            self.notice(notice);
        }
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Open { socket } => {
                    assert!(socket > self.socket, "each socket has a name of its own");
                    self.socket = socket;
                }
                Transmit::Frame { socket, frame } => {
                    assert_eq!(socket, self.socket, "frames go to the newest socket");
                    self.frame(&frame);
                }
                Transmit::Publish { socket, .. } => assert_eq!(socket, self.socket, "so do publishes"),
                Transmit::Close { reason, .. } => assert!(reason.as_str().len() <= 123),
                Transmit::Token => {}
            }
        }
        while let Some(checkpoint) = self.session.poll_checkpoint() {
            for entry in &checkpoint.streams {
                if let Some(ledger) = self.ledgers.values().find(|ledger| ledger.stream == entry.stream) {
                    ledger.check_claim(&entry.epoch, entry.upto, &entry.also);
                }
            }
            self.stored = checkpoint.clone();
        }
    }

    fn notice(&mut self, notice: Notice<Rc<Payload>>) {
        match notice {
            Notice::Deliver { subscription, payload, start, end } => {
                let ledger = self.ledgers.get_mut(&subscription).expect("deliveries are of subscriptions");
                for head in &payload.heads[start as usize..end as usize] {
                    ledger.deliver(head, payload.requeued);
                }
            }
            Notice::Subscribed { subscription, epoch, .. } => {
                self.ledgers.get_mut(&subscription).expect("a subscription").subscribed(epoch);
            }
            Notice::Lost { subscription, range, .. } => {
                self.ledgers.get_mut(&subscription).expect("a subscription").lose(range);
            }
            Notice::Reset { subscription, position, .. } => {
                self.ledgers.get_mut(&subscription).expect("a subscription").reset(position);
            }
            _ => {}
        }
    }

    /// A frame that is sent is one that a server can read, keeps its bounds, and confirms only what is applied.
    fn frame(&self, frame: &ClientFrame) {
        let text = frame.to_json();
        match decode_client(&text) {
            Ok(Decoded::Frame(again)) => assert_eq!(again, *frame),
            other => panic!("{other:?}: {text}"),
        }
        let ledger = |stream: &StreamName| self.ledgers.values().find(|ledger| ledger.stream == *stream);
        match frame {
            ClientFrame::Hello(hello) => {
                for subscribe in &hello.subscriptions {
                    self.frame(&ClientFrame::Subscribe(subscribe.clone()));
                }
            }
            ClientFrame::Subscribe(subscribe) => {
                assert!(subscribe.also.len() <= MAX_RANGES);
                if let (Some(ledger), ackwire::wire::From::Position(at)) = (ledger(&subscribe.stream), &subscribe.from)
                {
                    ledger.check_claim(&at.epoch, at.seq, &subscribe.also);
                }
            }
            ClientFrame::Ack(ack) => {
                assert!(ack.also.len() <= MAX_RANGES);
                if let Some(ledger) = ledger(&ack.stream) {
                    ledger.check_claim(&ack.epoch, ack.upto, &ack.also);
                }
            }
            ClientFrame::Nack(nack) => assert!(nack.error.len() <= MAX_ERROR_BYTES),
            ClientFrame::Confirm(confirm) => {
                if let Some(ledger) = ledger(&confirm.stream) {
                    ledger.check_confirm(confirm.seq);
                }
            }
            ClientFrame::Resend(resend) => assert!((1..=MAX_RANGES).contains(&resend.ranges.len())),
            _ => {}
        }
    }

    fn check(&mut self) {
        let stats = self.session.stats();
        assert!(stats.outbox as usize <= MAX_OUTBOX);
        assert!(stats.subscriptions.iter().all(|held| held.held <= MAX_HELD));
        for (id, ledger) in &mut self.ledgers {
            ledger.look_at(self.session.position(*id).expect("a subscription"));
        }
    }
}

fn outcome(ok: bool, retry: bool) -> Outcome {
    if ok { Outcome::Confirmed } else { Outcome::Failed { error: "é".repeat(600), retry } }
}
