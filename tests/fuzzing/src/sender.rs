//! A server whose client says what it likes. Whatever comes, each feed keeps its window, leaves nothing out without a
//! word, calls nothing confirmed that nobody said was applied, and is left unchanged by what breaks the protocol.

mod client;
mod view;

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Action, Config, Connection, Feed, Limits, Notice, Saved, Tracker, Violation};
use ackwire::wire::{
    ClientFrame, ConfirmStatus, ConsumerId, Epoch, Priority, Seq, SeqRange, ServerFrame, ServerInfo, StreamName,
    Subscribe, Welcome, Window, decode_events, decode_server, encode_server,
};
use ackwire_simulation::StreamLog;
use arbitrary::{Arbitrary, Result, Unstructured};
use std::collections::{BTreeMap, BTreeSet};

use view::{Claims, View};

const MAX_OPERATIONS: usize = 400;
const MAX_SUBSCRIPTIONS: usize = 1;
/// More timers than this at one moment are no progress.
const MAX_STANDSTILL: usize = 1000;

#[derive(Arbitrary, Debug)]
enum Operation {
    Open,
    Say,
    SayHonestly { acks: bool },
    Garble { byte: u8 },
    Append { count: u8, gap: u8 },
    End,
    Trim { keep: u8 },
    LoseTail { count: u8 },
    Operate { at: u8, what: u8 },
    ReadsFail(bool),
    SavesHang(bool),
    Refuse(bool),
    Drain,
    Restart,
    Pass { millis: u16 },
    PassMuch { secs: u16 },
}

/// A stream, its feed to the one consumer, and what is known of both.
struct Room {
    log: StreamLog,
    feed: Feed,
    /// As long as the connection wants the stream.
    view: Option<View>,
    window: Window,
    claims: Claims,
    /// What somebody has said to have failed, or to be sent again.
    reopened: BTreeSet<Seq>,
}

impl Room {
    /// Somebody has said so.
    fn applied(&mut self, epoch: &Epoch, range: SeqRange) {
        self.claims.add(epoch, range);
        self.view.as_mut().into_iter().for_each(|view| view.settled(range));
    }
}

struct Host {
    now: Instant,
    rooms: BTreeMap<StreamName, Room>,
    connection: Option<Connection>,
    config: Config,
    reads_fail: bool,
    saves_hang: bool,
    refuses: bool,
    appended: u64,
}

pub fn run(choices: &mut Unstructured) -> Result<()> {
    let config = Config {
        frame_events: choices.int_in_range(1..=8)?,
        frame_bytes: 1024,
        deadline: Duration::from_secs(choices.int_in_range(1..=10)?),
        retries: choices.int_in_range(0..=3)?,
        ..Config::default()
    };
    let now = Instant::from_millis(1_000_000);
    let mut host = Host {
        now,
        rooms: BTreeMap::new(),
        connection: None,
        config,
        reads_fail: false,
        saves_hang: false,
        refuses: false,
        appended: 0,
    };
    for (seed, name) in ["a", "b"].into_iter().enumerate() {
        let name = StreamName::new(name).expect("a stream's name");
        let log = StreamLog::new();
        let tracker = Tracker::new(log.tail().epoch);
        let feed = Feed::new(name.clone(), tracker, config, seed as u64);
        let (window, claims, reopened) = (Window::default(), Claims::default(), BTreeSet::new());
        host.rooms.insert(name, Room { log, feed, view: None, window, claims, reopened });
    }
    // Most stories begin like this.
    host.append(8, 0);
    host.open();
    host.say(&client::hello(choices)?);
    for _ in 0..MAX_OPERATIONS {
        if choices.is_empty() {
            break;
        }
        let operation = choices.arbitrary()?;
        host.operate(operation, choices)?;
        host.check();
    }
    Ok(())
}

impl Host {
    fn operate(&mut self, operation: Operation, choices: &mut Unstructured) -> Result<()> {
        match operation {
            Operation::Open => {
                self.open();
                self.say(&client::hello(choices)?);
            }
            Operation::Say => self.say(&client::frame(choices)?),
            Operation::SayHonestly { acks } => self.say_honestly(acks),
            Operation::Garble { byte } => {
                let mut text = client::frame(choices)?.to_json().into_bytes();
                let at = choices.choose_index(text.len())?;
                text[at] = byte & 0x7f;
                self.hear(&String::from_utf8(text).expect("ASCII"));
            }
            Operation::Append { count, gap } => self.append(u64::from(count % 16), u64::from(gap % 4)),
            Operation::End => self.with_logs(StreamLog::end),
            Operation::Trim { keep } => self.with_logs(|log| log.trim(usize::from(keep % 16))),
            Operation::LoseTail { count } => self.with_logs(|log| log.lose_tail(usize::from(count % 8))),
            Operation::Operate { at, what } => self.touch(at, what),
            Operation::ReadsFail(fail) => self.reads_fail = fail,
            Operation::SavesHang(hang) => self.saves_hang = hang,
            Operation::Refuse(refuse) => self.refuses = refuse,
            Operation::Drain => {
                let now = self.now;
                self.with_connection(|connection| connection.handle_drain(now, Duration::from_secs(3)));
            }
            Operation::Restart => self.restart(),
            Operation::Pass { millis } => self.pass(Duration::from_millis(u64::from(millis))),
            Operation::PassMuch { secs } => self.pass(Duration::from_secs(u64::from(secs))),
        }
        self.pump();
        Ok(())
    }

    // --- what happens to the logs and the process ---

    fn append(&mut self, count: u64, gap: u64) {
        for _ in 0..count {
            self.appended += 1;
            let id = format!("id{}", self.appended).parse().expect("an id");
            let index = self.appended as usize % self.rooms.len();
            let room = self.rooms.values_mut().nth(index).expect("a room");
            let priority = if self.appended.is_multiple_of(7) { Priority::Critical } else { Priority::Normal };
            room.log.append(id, priority, gap);
        }
        self.with_logs(|_| ());
    }

    fn with_logs(&mut self, change: impl Fn(&mut StreamLog)) {
        for room in self.rooms.values_mut() {
            change(&mut room.log);
            room.feed.handle_tail(self.now, room.log.tail());
        }
    }

    /// The process dies; what its trackers had saved comes back.
    fn restart(&mut self) {
        self.connection = None;
        for (name, room) in &mut self.rooms {
            let saved = room.feed.tracker().saved();
            let text = serde_json::to_string(&saved).expect("string keys only");
            let again: Saved = serde_json::from_str(&text).expect("what was saved can be read");
            assert_eq!(again, saved, "what is saved survives its storage");
            room.feed = Feed::new(name.clone(), Tracker::from_saved(again), self.config, 0);
            assert_eq!(room.feed.tracker().saved(), saved, "a tracker survives its storage");
            room.view = None;
        }
    }

    /// An operator, or the consumer's own code over another way.
    fn touch(&mut self, at: u8, what: u8) {
        let now = self.now;
        let index = usize::from(at) % self.rooms.len();
        let room = self.rooms.values_mut().nth(index).expect("a room");
        let events: Vec<_> = room.log.events().cloned().collect();
        let Some(event) = events.get(usize::from(at / 2) % events.len().max(1)) else { return };
        // Its epoch is what the tracker's is about.
        let epoch = room.feed.tracker().epoch().clone();
        if epoch != room.log.tail().epoch {
            return;
        }
        let seq = event.seq;
        match what % 5 {
            0 => {
                if room.feed.confirm(now, event).is_ok() {
                    SeqRange::single(event.seq).into_iter().for_each(|single| room.applied(&epoch, single));
                }
            }
            1 => drop(room.feed.fail_event(now, event, "by hand", true)),
            2 => drop(room.feed.fail_event(now, event, "by hand", false)),
            3 => drop(room.feed.requeue(now, event)),
            _ => drop(room.feed.discard(event.seq)),
        }
        room.reopened.insert(seq);
    }

    // --- the connection ---

    fn open(&mut self) {
        self.with_connection(Connection::handle_replaced);
        let limits = Limits { max_subscriptions: MAX_SUBSCRIPTIONS + 1, max_frame_bytes: 8192, ..Limits::default() };
        self.connection = Some(Connection::new(self.now, limits));
    }

    /// What an honest client says next: that all is applied, or that the first has failed.
    fn say_honestly(&mut self, acks: bool) {
        let frames: Vec<ClientFrame> =
            self.rooms.iter().filter_map(|(name, room)| room.view.as_ref()?.answer(name, acks)).collect();
        frames.iter().for_each(|frame| self.say(frame));
    }

    fn say(&mut self, frame: &ClientFrame) {
        self.hear(&frame.to_json());
        self.pump();
    }

    fn hear(&mut self, text: &str) {
        let now = self.now;
        self.with_connection(|connection| connection.handle_text(now, text));
    }

    fn with_connection(&mut self, change: impl FnOnce(&mut Connection)) {
        let Some(connection) = &mut self.connection else { return };
        change(connection);
        while let Some(action) = self.connection.as_mut().and_then(Connection::poll_action) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        let connection = self.connection.as_mut().expect("it acts");
        match action {
            Action::Authenticate { .. } if self.refuses => connection.handle_refused("no"),
            Action::Authenticate { consumer, .. } => {
                connection.handle_accepted(now, Some(Duration::from_secs(60)), welcome(consumer));
            }
            Action::Subscribe(subscribe) => self.subscribe(&subscribe),
            Action::Unsubscribe(stream) => self.detach(&stream),
            Action::Ack(ack) => {
                let claims =
                    std::iter::once(SeqRange::new(Seq::ZERO, ack.upto)).chain(ack.also.iter().copied().map(Some));
                let claims: Vec<_> = claims.collect();
                self.tell(&ack.stream, |feed| feed.handle_ack(now, &ack), claims);
            }
            Action::Nack(nack) => {
                self.reopened(&nack.stream, nack.seq);
                self.tell(&nack.stream, |feed| feed.handle_nack(now, &nack), Vec::new());
            }
            Action::ConfirmRequeued(confirm) => {
                let claims = vec![SeqRange::single(confirm.seq)];
                self.tell(&confirm.stream, |feed| feed.handle_confirm(now, &confirm), claims);
            }
            Action::Resend(resend) => self.tell(&resend.stream, |feed| feed.handle_resend(&resend), Vec::new()),
            Action::Confirm(confirmation) => {
                for room in self.rooms.values_mut().filter(|room| room.view.is_some()) {
                    if room.feed.handle_confirmation(now, &confirmation) {
                        let epoch = room.feed.tracker().epoch().clone();
                        let event = room.log.events().find(|event| event.id == confirmation.event_id);
                        let single = event.and_then(|event| SeqRange::single(event.seq));
                        match (single, confirmation.status) {
                            (Some(single), ConfirmStatus::Confirmed) => room.applied(&epoch, single),
                            (Some(single), ConfirmStatus::Failed) => room.reopened.extend([single.upto()]),
                            (None, _) => {}
                        }
                        break;
                    }
                }
            }
            Action::Publish(publish) => {
                let room = self.rooms.get_mut(&publish.stream);
                let _ = room.and_then(|room| room.log.append(publish.id, Priority::Normal, 0));
            }
            Action::Send(frame) => self.sent(&encode_server(&frame)),
            Action::Close { .. } => {
                assert!(self.connection.take().and_then(|mut gone| gone.poll_action()).is_none(), "nothing follows");
                self.rooms.keys().cloned().collect::<Vec<_>>().iter().for_each(|stream| self.detach(stream));
            }
        }
    }

    fn reopened(&mut self, stream: &StreamName, seq: Seq) {
        if let Some(room) = self.rooms.get_mut(stream) {
            room.reopened.insert(seq);
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe) {
        let Some(room) = self.rooms.get_mut(&subscribe.stream) else {
            let connection = self.connection.as_mut().expect("it was asked on one");
            return connection.handle_unsubscribed(&subscribe.stream);
        };
        room.claims.subscribe(subscribe, &room.log);
        room.view = Some(View::new(subscribe));
        room.window = subscribe.window;
        room.feed.attach(self.now, subscribe, room.log.tail());
    }

    fn detach(&mut self, stream: &StreamName) {
        if let Some(room) = self.rooms.get_mut(stream) {
            room.feed.detach();
            room.view = None;
        }
    }

    /// Hands something to a feed. What breaks the protocol changes nothing [AW-CONN-2].
    fn tell(
        &mut self,
        stream: &StreamName,
        tell: impl FnOnce(&mut Feed) -> std::result::Result<(), Violation>,
        claims: Vec<Option<SeqRange>>,
    ) {
        let Some(room) = self.rooms.get_mut(stream).filter(|room| room.view.is_some()) else { return };
        let before = room.feed.tracker().saved();
        let epoch = room.feed.tracker().epoch().clone();
        match tell(&mut room.feed) {
            Ok(()) => {
                claims.into_iter().flatten().for_each(|range| room.applied(&epoch, range));
            }
            Err(violation) => {
                assert_eq!(room.feed.tracker().saved(), before, "{violation}");
                self.connection.as_mut().expect("it was heard on one").handle_violation(&violation);
            }
        }
    }

    /// An honest client reads what is sent.
    fn sent(&mut self, text: &str) {
        if let Ok(Some(frame)) = decode_events(text) {
            let Room { log, feed, view, reopened, .. } = self.rooms.get_mut(&frame.stream).expect("a stream");
            return view.as_mut().expect("it is subscribed").events(&frame, log, feed.tracker(), reopened);
        }
        match decode_server(text) {
            Ok(Some(ServerFrame::Subscribed(frame))) => self.view(&frame.stream).subscribed(&frame),
            Ok(Some(ServerFrame::Lost { stream, range })) => {
                let Room { log, view, .. } = self.rooms.get_mut(&stream).expect("a stream");
                view.as_mut().expect("it is subscribed").lost(range, log);
            }
            Ok(Some(ServerFrame::Ended { stream, seq })) => self.view(&stream).ended(seq),
            Ok(Some(_)) => {}
            other => panic!("{other:?}: {text}"),
        }
    }

    fn view(&mut self, stream: &StreamName) -> &mut View {
        let room = self.rooms.get_mut(stream).expect("a stream");
        room.view.as_mut().expect("it is subscribed")
    }

    // --- time and outputs ---

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut standstill = 0;
        loop {
            let feeds = self.rooms.values().filter_map(|room| room.feed.poll_timeout());
            let connection = self.connection.as_ref().and_then(Connection::poll_timeout);
            let Some(due) = feeds.chain(connection).min().filter(|due| *due <= end) else { break };
            standstill = if due > self.now { 0 } else { standstill + 1 };
            assert!(standstill < MAX_STANDSTILL, "a timer is due again and again, and no time passes");
            self.now = self.now.max(due);
            let now = self.now;
            self.rooms.values_mut().for_each(|room| room.feed.handle_timeout(now));
            self.with_connection(|connection| connection.handle_timeout(now));
            self.pump();
        }
        self.now = end;
    }

    fn pump(&mut self) {
        self.with_connection(|_| ());
        let names: Vec<StreamName> = self.rooms.keys().cloned().collect();
        let mut replaced = false;
        for name in names {
            loop {
                let room = self.rooms.get_mut(&name).expect("a room");
                if let Some(save) = room.feed.poll_save().filter(|_| !self.saves_hang) {
                    room.feed.handle_saved(save);
                }
                if let Some(frame) = room.feed.poll_transmit() {
                    self.sent(&frame.encode(&name));
                    continue;
                }
                let Some(request) = room.feed.poll_read() else { break };
                match self.reads_fail {
                    true => room.feed.handle_read_failed(self.now, request.id),
                    false => room.feed.handle_page(self.now, request.id, &room.log.read(&request)),
                }
            }
            let room = self.rooms.get_mut(&name).expect("a room");
            while let Some(notice) = room.feed.poll_notice() {
                replaced |= notice == Notice::EpochChanged;
            }
            room.feed.take_dirty();
        }
        if replaced {
            self.connection = None;
            self.rooms.keys().cloned().collect::<Vec<_>>().iter().for_each(|stream| self.detach(stream));
        }
    }

    fn check(&self) {
        for (name, room) in &self.rooms {
            let outstanding = room.feed.outstanding();
            assert!(outstanding <= room.window.events as usize, "{name}: {outstanding} beyond {:?}", room.window);
            room.claims.check(&room.log, room.feed.tracker());
        }
    }
}

fn welcome(consumer: Option<ConsumerId>) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        connection: "1".into(),
        consumer: consumer.unwrap_or_else(|| ConsumerId::new("tab").expect("a name")),
        heartbeat_ms: 25_000,
        max_frame_bytes: 8192,
        token_expires_in_ms: None,
        server: ServerInfo { name: "host".into(), version: "0".into() },
    })
}
