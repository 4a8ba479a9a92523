//! The promise, as checks: after every step of whatever it touched, and once everything has settled.

mod account;
mod bounds;
mod flight;
mod life;
mod reports;

use ackwire::deliver::{self, Notice};
use ackwire::receive::{State, SubscribeOptions};
use ackwire::wire::{Ack, ClientFrame, ConsumerId, Event, EventId, From, Seq, SeqRange, StreamName};
use std::collections::BTreeMap;

use crate::log::StreamLog;
use crate::server::Server;
use crate::tab::Tab;
use account::Account;
use flight::Flight;
pub use flight::Traffic;
use life::Life;
use reports::Reports;

/// What the checks remember, so that each looks only at what is new.
#[derive(Debug, Default)]
pub struct Check {
    lives: BTreeMap<(usize, u32, usize), Life>,
    accounts: BTreeMap<(StreamName, ConsumerId), Account>,
    reports: Reports,
    flights: BTreeMap<(StreamName, ConsumerId), Flight>,
}

impl Check {
    /// After something happened in a tab.
    pub fn tab(&mut self, server: &Server, index: usize, tab: &mut Tab) {
        let stats = tab.session.stats();
        let link = (tab.session.state() == State::Connected).then_some(stats.connections);
        for place in 0..tab.readers.len() {
            let reader = &tab.readers[place];
            if !self.lives.contains_key(&(index, tab.life, place)) {
                let earlier = (0..place).rev().find(|earlier| tab.readers[*earlier].stream == reader.stream);
                let earlier = earlier.and_then(|earlier| self.lives.get(&(index, tab.life, earlier)));
                self.lives.insert((index, tab.life, place), Life::after(earlier, reader));
            }
            let life = self.lives.get_mut(&(index, tab.life, place)).expect("it was put there");
            if life.has_arrivals(reader) {
                bounds::received(tab, reader);
            }
            if life.has_news(reader) {
                let key = (reader.stream.clone(), tab.consumer.clone());
                let account = self.accounts.entry(key).or_default();
                life.look(reader, &server.logs[&reader.stream], tab.config().dedupe_window, account);
            }
            if reader.subscription.is_some() {
                let held = stats.subscriptions.iter().find(|held| held.stream == reader.stream);
                let at = &held.expect("a subscription").positions;
                if life.look_at_positions(at, reader, link) {
                    self.reports.note(&(reader.stream.clone(), tab.consumer.clone()), at);
                }
            }
        }
        for (stream, at) in std::mem::take(&mut tab.stood) {
            self.reports.note(&(stream, tab.consumer.clone()), &at);
        }
        bounds::page(tab, &stats, server.config().frame_events);
        for frame in std::mem::take(&mut tab.frames) {
            bounds::frame(tab, &frame);
            if let ClientFrame::Ack(ack) = frame {
                self.ack(server, tab, &ack);
            }
        }
    }

    /// After something happened in the server.
    pub fn server(&mut self, server: &mut Server) {
        for (key, epoch, notice) in std::mem::take(&mut server.notices) {
            match notice {
                Notice::Dead { seq, .. } => self.accounts.entry(key).or_default().bury(&epoch, seq),
                Notice::Confirmed { seq, id, .. } => {
                    let account = self.accounts.entry(key.clone()).or_default();
                    assert!(
                        account.has_claimed(&epoch, seq, &id),
                        "{}, {}: {seq} ({id}) is confirmed and was never applied",
                        key.1,
                        key.0
                    );
                }
                _ => {}
            }
        }
        for (key, traffic) in server.traffic.drain(..) {
            self.passed(key, traffic);
        }
        for key in std::mem::take(&mut server.touched) {
            let Some(feed) = server.feeds.get(&key) else { continue };
            bounds::feed(&key, feed, server.window(&key));
            if let Some(number) = server.subscription_number(&key).filter(|_| feed.is_attached()) {
                self.reports.look(&key, feed, number);
            }
        }
    }

    /// Something went over a connection.
    fn passed(&mut self, key: (StreamName, ConsumerId), traffic: Traffic) {
        if let Traffic::Subscribed(window) = traffic {
            self.flights.insert(key, Flight::new(window));
            return;
        }
        let flight = self.flights.get_mut(&key).expect("a subscription comes before its events");
        match traffic {
            Traffic::Subscribed(_) => {}
            Traffic::Sent(seq, bytes) => flight.send(seq, bytes),
            Traffic::Lost(range) | Traffic::Acked(range) => flight.settle(range),
        }
        assert!(flight.is_granted(), "{}, {}: more is under way than the window: {flight:?}", key.1, key.0);
    }

    /// Somebody else than the consumer's page has said that it has applied this.
    pub fn vouched(&mut self, key: (StreamName, ConsumerId), seq: Seq, id: &EventId) {
        if let Some((flight, single)) = self.flights.get_mut(&key).zip(SeqRange::single(seq)) {
            flight.settle(single);
        }
        let account = self.accounts.entry(key).or_default();
        account.vouch(id.clone());
    }

    /// Whether the consumer knows what became of every event in a range of the present log.
    pub fn is_accounted(&self, log: &StreamLog, tab: &Tab, stream: &StreamName, range: Option<SeqRange>) -> bool {
        let Some(account) = self.accounts.get(&(stream.clone(), tab.consumer.clone())) else { return range.is_none() };
        let (epoch, options) = (log.tail().epoch, tab.options(stream));
        let mut events = range.into_iter().flat_map(|range| log.ever_in(&epoch, range));
        events.all(|(seq, id)| !is_type_wanted(options, seq) || account.has(&epoch, seq, id))
    }

    /// Once everything has settled.
    pub fn settled(&self, server: &Server, tabs: &[Tab]) {
        for tab in tabs.iter().filter(|tab| !tab.is_replaced()) {
            for publication in &tab.publications {
                let (stream, id) = (&publication.stream, &publication.id);
                assert_eq!(publication.answers, 1, "{}, {stream}: the publish {id} was not answered", tab.consumer);
            }
            for stream in tab.streams() {
                self.settled_stream(server, tab, stream);
            }
        }
    }

    fn settled_stream(&self, server: &Server, tab: &Tab, stream: &StreamName) {
        let key = (stream.clone(), tab.consumer.clone());
        let (feed, log, account) = (&server.feeds[&key], &server.logs[stream], &self.accounts[&key]);
        let options = tab.options(stream);
        let epoch = log.tail().epoch;
        let wanted = |event: &_| is_wanted(options, event);
        for event in log.events() {
            let state = feed.tracker().delivery(event).state;
            let accounted = account.has(&epoch, event.seq, &event.id);
            let who = || format!("{}, {stream}: {} ({}) is {state:?}", tab.consumer, event.seq, event.id);
            match state {
                // Nothing is confirmed that was not applied, and nothing given up of which the application was not told.
                deliver::State::Confirmed => {
                    assert!(account.has_claimed(&epoch, event.seq, &event.id), "{} and was never applied", who());
                }
                deliver::State::Dead => assert!(accounted, "{}, and nobody was told", who()),
                // The log holds it: only the consumer itself may have passed it over, perhaps by another tab.
                deliver::State::Skipped => {
                    assert!(!wanted(event) || options.from == From::Now, "{}, and was wanted", who())
                }
                _ => panic!("{} after everything has settled", who()),
            }
        }
        // Nor is anything passed over in silence that the log no longer holds.
        let Some(all) = SeqRange::new(Seq::ZERO, log.tail().head) else { return };
        for (seq, id) in log.ever_in(&epoch, all).filter(|(seq, _)| log.get(*seq).is_none()) {
            let is_wanted = is_type_wanted(options, seq);
            let accounted = !is_wanted || account.has(&epoch, seq, id);
            assert!(
                accounted,
                "{}, {stream}: {seq} ({id}) is gone, was not applied, and nobody was told",
                tab.consumer
            );
        }
    }

    /// An ack says that what it covers is applied, or accounted for otherwise [AW-ACK-2].
    fn ack(&mut self, server: &Server, tab: &Tab, ack: &Ack) {
        let options = tab.options(&ack.stream);
        let account = self.accounts.entry((ack.stream.clone(), tab.consumer.clone())).or_default();
        let log: &StreamLog = &server.logs[&ack.stream];
        let ranges = SeqRange::new(Seq::ZERO, ack.upto).into_iter().chain(ack.also.iter().copied());
        let news: Vec<SeqRange> = ranges.flat_map(|range| account.note_acked(&ack.epoch, range)).collect();
        for (seq, id) in news.into_iter().flat_map(|range| log.ever_in(&ack.epoch, range)) {
            let is_wanted = is_type_wanted(options, seq);
            // A dead letter in its second life is outside of the position's account [AW-SEND-9].
            let accounted = !is_wanted || account.has(&ack.epoch, seq, id) || account.is_dead(&ack.epoch, seq);
            assert!(accounted, "{}, {}: an ack covers {seq} ({id}), which is not settled", tab.consumer, ack.stream);
        }
        let Some(reader) = tab.reader(&ack.stream) else { return };
        let covered = |seq: Seq| seq <= ack.upto || ack.also.iter().any(|range| range.contains(seq));
        let early = reader.pending().find(|event| {
            covered(event.seq) && !account.has_applied(&event.id) && !account.is_dead(&ack.epoch, event.seq)
        });
        assert!(early.is_none(), "{}, {}: an ack covers {early:?}, which runs", tab.consumer, ack.stream);
    }
}

/// Whether a consumer's filter lets an event pass.
fn is_wanted(options: &SubscribeOptions, event: &Event) -> bool {
    options.filter.as_ref().is_none_or(|filter| filter.accepts(&event.event_type, &event.meta))
}

/// The same by its place alone, which tells its type in these logs.
fn is_type_wanted(options: &SubscribeOptions, seq: Seq) -> bool {
    options.filter.is_none() || seq.get().is_multiple_of(3)
}
