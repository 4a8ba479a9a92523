//! The promise, as checks.

use ackwire::deliver::{Reported, State};
use ackwire::wire::{ConsumerId, Epoch, EventId, From, LostReason, Seq, StreamName};
use std::collections::{BTreeMap, HashSet};

use crate::server::Key;
use crate::tab::{Reader, Seen};
use crate::world::World;

/// What the checks remember, so that each looks only at what is new.
#[derive(Debug, Default)]
pub struct Check {
    lives: BTreeMap<(usize, u32, usize), Life>,
    /// What each consumer has applied, in any tab and life.
    applied: HashSet<(ConsumerId, StreamName, EventId)>,
    /// How far each consumer has come in each log, in any tab and life.
    reached: BTreeMap<(ConsumerId, StreamName, Epoch), Reported>,
    /// What the server knew of that on which connection: where the feed began, and at the step before.
    reported: BTreeMap<Key, (u64, Epoch, Reported, Reported)>,
}

/// One stream in one page life, as far as it was looked at.
#[derive(Debug, Default)]
struct Life {
    looked_at: usize,
    epoch: Option<Epoch>,
    /// The highest seq that began for the first time.
    began: Seq,
    attempts: BTreeMap<Seq, u32>,
    applied: HashSet<EventId>,
    positions: [Seq; 3],
}

impl Check {
    /// After every step.
    pub fn step(&mut self, world: &World) {
        for (index, tab) in world.tabs.iter().enumerate() {
            for (place, reader) in tab.readers.iter().enumerate() {
                let life = self.lives.entry((index, tab.life, place)).or_default();
                for seen in &reader.seen[life.looked_at..] {
                    life.look(seen, reader, world);
                    if let Seen::Applied { id, .. } = seen {
                        self.applied.insert((tab.consumer.clone(), reader.stream.clone(), id.clone()));
                    }
                }
                life.looked_at = reader.seen.len();
                let at = tab.session.position(reader.subscription).expect("a subscription");
                if let Some(epoch) = at.epoch.clone() {
                    let name = (tab.consumer.clone(), reader.stream.clone(), epoch);
                    let reached = self.reached.entry(name).or_default();
                    reached.received = reached.received.max(at.received);
                    reached.delivered = reached.delivered.max(at.delivered);
                }
                life.look_at_positions(at, reader);
            }
        }
        // [AW-SEND-3]
        for ((stream, consumer), feed) in &world.server.feeds {
            let tab = world.tabs.iter().find(|tab| tab.consumer == *consumer).expect("a tab for each consumer");
            let window = tab.options(stream).window.events as usize;
            assert!(feed.outstanding() <= window, "{stream}: more sent and unsettled than the window");
        }
        self.look_at_reports(world);
    }

    /// What consumers are known to have said of themselves [AW-ACK-8].
    fn look_at_reports(&mut self, world: &World) {
        for (key, feed) in &world.server.feeds {
            let Some(connection) = world.server.connection_of(&key.1).filter(|_| feed.is_attached()) else { continue };
            let (epoch, now) = (feed.tracker().epoch().clone(), feed.tracker().reported());
            let (stream, consumer) = key;
            let who = format!("{consumer}, {stream}: {now:?}");
            assert!(now.delivered <= now.received, "{who}");
            let known = self.reported.get(key).filter(|(on, log, ..)| (*on, log) == (connection, &epoch));
            if let Some((.., start, before)) = known {
                let rises = before.delivered <= now.delivered && before.received <= now.received;
                assert!(rises, "{who} after {before:?}: a reported position went back");
                let reached = self.reached.get(&(consumer.clone(), stream.clone(), epoch.clone()));
                let reached = reached.copied().unwrap_or_default().at_least(start.received);
                let is_true = now.delivered <= reached.delivered && now.received <= reached.received;
                assert!(is_true, "{who}: has come to {reached:?} only");
            }
            // Nothing is reported in the step in which the feed begins.
            let start = known.map_or(now, |(.., start, _)| *start);
            self.reported.insert(key.clone(), (connection, epoch, start, now));
        }
    }

    /// Once everything has settled.
    pub fn settled(&self, world: &World) {
        for tab in world.tabs.iter().filter(|tab| !tab.is_replaced()) {
            for reader in &tab.readers {
                let feed = &world.server.feeds[&(reader.stream.clone(), tab.consumer.clone())];
                let options = tab.options(&reader.stream);
                for event in world.server.logs[&reader.stream].events() {
                    let applied =
                        self.applied.contains(&(tab.consumer.clone(), reader.stream.clone(), event.id.clone()));
                    let wanted =
                        options.filter.as_ref().is_none_or(|wish| wish.accepts(&event.event_type, &event.meta));
                    let state = feed.tracker().delivery(event).state;
                    let who = format!("{}, {}: {} ({}) is {state:?}", tab.consumer, reader.stream, event.seq, event.id);
                    match state {
                        // Nothing is confirmed that was not applied.
                        State::Confirmed => assert!(applied, "{who} and was never applied"),
                        State::Dead => {}
                        // The log holds it: only the consumer itself may have passed it over.
                        State::Skipped => assert!(!wanted || options.from == From::Now, "{who}, and was wanted"),
                        _ => panic!("{who} after everything has settled"),
                    }
                }
            }
        }
    }
}

impl Life {
    fn look(&mut self, seen: &Seen, reader: &Reader, world: &World) {
        let stream = &reader.stream;
        match seen {
            Seen::Began { epoch, seq, id, attempt } => {
                self.enter(epoch);
                let logged = world.server.logs[stream].ever.get(&(epoch.clone(), *seq));
                assert_eq!(logged, Some(id), "{stream}: {seq} was never in the log like this");
                assert!(!self.applied.contains(id), "{stream}: {seq} ({id}) was applied before in this page life");
                match self.attempts.insert(*seq, *attempt) {
                    // [AW-RECV-2]: again only with a higher attempt.
                    Some(before) => assert!(*attempt > before, "{stream}: {seq} came again with attempt {attempt}"),
                    None => {
                        assert!(*seq > self.began, "{stream}: {seq} began after {}", self.began);
                        self.began = *seq;
                    }
                }
            }
            Seen::Applied { epoch, seq, id } => {
                assert!(self.applied.insert(id.clone()), "{stream}: {seq} ({id}) was applied twice");
                assert_eq!(self.epoch.as_ref(), Some(epoch), "{stream}: {seq} was applied in another log");
            }
            Seen::Lost { epoch, range, reason } => {
                self.enter(epoch);
                let tail = world.server.logs[stream].tail();
                if tail.epoch == *epoch && *reason == LostReason::Expired {
                    assert!(range.upto() < tail.oldest, "{stream}: {range} is called expired, {} is held", tail.oldest);
                }
                let began = self.attempts.keys().find(|seq| range.contains(**seq));
                if let Some(seq) = began.filter(|_| *reason != LostReason::Failed) {
                    let id = &world.server.logs[stream].ever[&(epoch.clone(), *seq)];
                    assert!(!self.applied.contains(id), "{stream}: {seq} is called lost and was applied");
                }
            }
            Seen::Reset { position } => {
                *self = Self {
                    epoch: Some(position.epoch.clone()),
                    began: position.seq,
                    applied: std::mem::take(&mut self.applied),
                    looked_at: self.looked_at,
                    ..Self::default()
                };
            }
            Seen::Ended => {}
        }
    }

    fn enter(&mut self, epoch: &Epoch) {
        let known = self.epoch.get_or_insert_with(|| epoch.clone());
        assert_eq!(known, epoch, "another log without a reset");
    }

    /// [AW-RECV-9]: in order, and never backwards within an epoch.
    fn look_at_positions(&mut self, at: ackwire::receive::Positions, reader: &Reader) {
        let now = [at.received, at.delivered, at.confirmed];
        assert!(now[0] >= now[1] && now[1] >= now[2], "{}: {now:?}", reader.stream);
        if at.epoch == self.epoch {
            // `received` starts anew with each connection: what was held is forgotten with it.
            for (before, now) in self.positions.iter().zip(now).skip(1) {
                assert!(now >= *before, "{}: a position went back from {before} to {now}", reader.stream);
            }
        }
        self.positions = now;
    }
}
