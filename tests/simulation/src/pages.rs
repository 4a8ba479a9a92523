//! Tabs in their world: their clocks, timers, tokens and handlers.

use ackwire::base::{Duration, Instant};
use ackwire::receive::{Config as ClientConfig, SubscribeOptions};
use ackwire::wire::{ConsumerId, Event};

use crate::chance;
use crate::clock::Clock;
use crate::conditions::TokenAnswer;
use crate::tab::{App, Tab, Wish};
use crate::world::{Happening, START_MS, World};

impl World {
    /// A tab that loads now and subscribes.
    pub fn open_tab(&mut self, consumer: &str, subscribe: Vec<SubscribeOptions>) -> usize {
        let config = ClientConfig::new(ConsumerId::new(consumer).expect("a consumer's name"));
        self.open(self.tabs.len(), App { config, subscribe, concurrency: 1 })
    }

    pub(crate) fn open(&mut self, number: usize, app: App) -> usize {
        // The clock of a page begins when it loads.
        let clock = Clock::new(self.now, Instant::from_millis(50_000 * (number as u64 + 1)));
        let tab = Tab::new(app, clock, chance::stream(self.seed, ("tab", number)));
        self.enter(tab)
    }

    pub(crate) fn enter(&mut self, tab: Tab) -> usize {
        self.tabs.push(tab);
        let index = self.tabs.len() - 1;
        self.load(index);
        index
    }

    pub(crate) fn load(&mut self, tab: usize) {
        let now = self.now;
        let seed = chance::stream(self.seed, ("page", tab, self.tabs[tab].life)).next_u64();
        let tab_now = self.tabs[tab].clock.read(now);
        self.tabs[tab].load(tab_now, seed);
        self.drain_tab(tab);
    }

    pub(crate) fn with_tab(&mut self, tab: usize, change: impl FnOnce(&mut Tab, Instant)) {
        let now = self.tabs[tab].clock.read(self.now);
        change(&mut self.tabs[tab], now);
        self.drain_tab(tab);
    }

    /// A tab is replaced only by another one of its identity [AW-CONN-5].
    fn check_replaced(&self, index: usize) {
        let tab = &self.tabs[index];
        let is_twin = |(other, twin): (usize, &Tab)| other != index && twin.consumer == tab.consumer;
        let may_be = || self.tabs.iter().enumerate().any(is_twin);
        assert!(!tab.is_replaced() || may_be(), "{}: replaced, and there is no other", tab.consumer);
    }

    pub(crate) fn drain_tab(&mut self, index: usize) {
        let (seed, conditions) = (self.seed, &self.conditions);
        let decide = |tab: &Tab, event: &Event| {
            let who = ("handler", index, tab.life, &event.id, event.attempt, tab.readers.len());
            conditions.handling(&mut chance::stream(seed, who))
        };
        let now = self.tabs[index].clock.read(self.now);
        let wishes = self.tabs[index].drain(now, &decide);
        let life = self.tabs[index].life;
        self.note_seen(index);
        self.check_replaced(index);
        for wish in wishes {
            match wish {
                Wish::Open(socket) => self.dial(index, life, socket),
                Wish::Send(socket, text) => self.send_up(index, life, socket, text),
                Wish::Close(socket) => self.close_from_client(index, life, socket),
                Wish::Token => self.token(index, life),
                Wish::Handle(reader, number, handling) => {
                    if let Some(after) = handling.after.filter(|_| !handling.hangs) {
                        self.at(after, Happening::Handled { tab: index, life, reader, number, handling });
                    }
                }
                Wish::GaveUp => {
                    let wait = Duration::from_millis(1000 + self.tabs[index].rng.up_to(2000));
                    self.at(wait, Happening::Connect { tab: index, life });
                }
            }
        }
        self.arm_tab(index);
        self.check.tab(&self.server, index, &mut self.tabs[index]);
    }

    pub(crate) fn note_seen(&mut self, index: usize) {
        let Some(trace) = &self.trace else { return };
        let at = self.now.as_millis() - START_MS;
        let Tab { consumer, readers, .. } = &mut self.tabs[index];
        for (place, reader) in readers.iter_mut().enumerate() {
            let news = reader.seen[std::mem::replace(&mut reader.noted, reader.seen.len())..].iter();
            let lines = news.map(|seen| format!("{at:>8}   {consumer}.{place}, {}: {seen:?}", reader.stream));
            trace.borrow_mut().extend(lines);
        }
    }

    pub(crate) fn arm_tab(&mut self, index: usize) {
        let due = self.tabs[index].session.poll_timeout();
        if due == self.tabs[index].armed.map(|(due, _)| due) {
            return;
        }
        let Some(due) = due else {
            self.tabs[index].timer += 1;
            self.tabs[index].armed = None;
            return;
        };
        match self.conditions.lateness(&mut self.tabs[index].rng) {
            Ok(late) => self.arm_for(index, due, late, Duration::ZERO),
            Err(early) => self.arm_for(index, due, Duration::ZERO, early),
        }
    }

    pub(crate) fn arm_exactly(&mut self, index: usize, due: Instant) {
        self.arm_for(index, due, Duration::ZERO, Duration::ZERO);
    }

    pub(crate) fn arm_for(&mut self, index: usize, due: Instant, late: Duration, early: Duration) {
        let tab = &mut self.tabs[index];
        tab.timer += 1;
        tab.armed = Some((due, early > Duration::ZERO));
        let exact = tab.clock.when(due).max(self.now);
        let at = Instant::from_millis((exact + late).as_millis().saturating_sub(early.as_millis())).max(self.now);
        let number = tab.timer;
        self.agenda.push(at, Happening::TabTimer { tab: index, number });
    }

    pub(crate) fn token(&mut self, tab: usize, life: u32) {
        let rng = &mut self.tabs[tab].rng;
        let answer = self.conditions.token(rng);
        let after = self.conditions.delay(rng);
        let until = match answer {
            TokenAnswer::Good => self.now + self.conditions.token_life,
            TokenAnswer::Expired => Instant::from_millis(START_MS),
            TokenAnswer::Fails => return self.at(after, Happening::Token { tab, life, answer: Err("no".into()) }),
            TokenAnswer::Hangs => return,
        };
        self.at(after, Happening::Token { tab, life, answer: Ok(until.as_millis().to_string()) });
    }
}
