//! What goes wrong, and what somebody does.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Feed, NotDone};
use ackwire::receive::Config as ClientConfig;
use ackwire::wire::{ConsumerId, EventId, Priority, Seq, StreamName};

use crate::chance;
use crate::clock::Clock;
use crate::log::{StreamLog, Wanted};
use crate::plan::{ClockStep, Open, Operation, Production, What};
use crate::producer::Batch;
use crate::seen::Call;
use crate::server::Key;
use crate::tab::App;
use crate::world::{Happening, World};

impl World {
    // --- by name, for stories ---

    /// A stream is complete.
    pub fn end(&mut self, stream: &str) {
        self.change_log(stream, StreamLog::end);
    }

    /// Retention takes all but the last `keep` events.
    pub fn trim(&mut self, stream: &str, keep: usize) {
        self.change_log(stream, |log| log.trim(keep));
    }

    /// Compaction takes these events.
    pub fn compact(&mut self, stream: &str, seqs: &[u64]) {
        self.change_log(stream, |log| log.compact(|event| seqs.contains(&event.seq.get())));
    }

    /// Both ends notice that the connection is gone; what is under way is lost.
    pub fn cut(&mut self, tab: usize) {
        for connection in self.connections_of(tab) {
            self.network.wire(connection).dead = true;
            self.at(Duration::ZERO, Happening::ServerClosed { connection });
            self.at(Duration::ZERO, Happening::ClientClosed { connection, code: 1006 });
        }
    }

    /// Nothing gets through any more, and nobody is told.
    pub fn half_open(&mut self, tab: usize) {
        for connection in self.connections_of(tab) {
            self.network.wire(connection).dead = true;
        }
    }

    /// Nothing gets through on the connections that the tab has, for so long.
    pub fn stall(&mut self, tab: usize, span: Duration) {
        let until = self.now + span;
        for connection in self.connections_of(tab) {
            let wire = self.network.wire(connection);
            wire.stalled_until = wire.stalled_until.max(until);
        }
    }

    /// The page is reloaded: handlers and what was not stored are gone.
    pub fn reload(&mut self, tab: usize) {
        for connection in self.connections_of(tab) {
            let wire = self.network.wire(connection);
            wire.client_gone = true;
            if !wire.dead {
                self.at(Duration::ZERO, Happening::ServerClosed { connection });
            }
        }
        self.load(tab);
    }

    /// The server is killed and comes back after `down`. What its trackers had not saved is gone; of its logs, the last
    /// `lost` events of each.
    pub fn crash_server(&mut self, down: Duration, lost: usize) {
        for connection in self.server.crash() {
            let wire = self.network.wire(connection);
            wire.server_gone = true;
            if !wire.dead {
                wire.dead = true;
                self.at(Duration::ZERO, Happening::ClientClosed { connection, code: 1006 });
            }
        }
        if lost > 0 {
            self.server.logs.values_mut().for_each(|log| log.lose_tail(lost));
        }
        self.server_down_until = self.now + down;
    }

    /// The network is back, or the page visible.
    pub fn wake(&mut self, tab: usize) {
        self.with_tab(tab, |tab, now| tab.session.handle_wake(now));
    }

    // --- by plan ---

    pub(crate) fn perform(&mut self, what: What) {
        match what {
            What::Set(dial) => dial.apply(&mut self.conditions),
            What::Open(open) => self.open_planned(*open),
            What::Duplicate { tab, of } => self.duplicate(tab, of),
            What::Produce(production) => self.begin_production(&production),
            What::Cut { tab } => self.on_tab(tab, Self::cut),
            What::HalfOpen { tab } => self.on_tab(tab, Self::half_open),
            What::Stall { tab, span } => self.on_tab(tab, |world, tab| world.stall(tab, span)),
            What::Throttle { tab, rate, span } => self.on_tab(tab, |world, tab| {
                let until = world.now + span;
                for connection in world.connections_of(tab) {
                    world.network.wire(connection).down.throttle(rate, until);
                }
            }),
            What::Freeze { tab, span, jump } => self.on_tab(tab, |world, tab| {
                let now = world.now;
                let frozen = &mut world.tabs[tab];
                frozen.frozen_until = frozen.frozen_until.max(now + span);
                // It reads the new time first when it wakes: nothing happens in it before.
                frozen.clock.jump(now, jump);
                world.rearm(tab);
            }),
            What::Drift { tab, rate } => self.on_tab(tab, |world, tab| {
                let now = world.now;
                world.tabs[tab].clock.set_rate(now, rate);
                world.rearm(tab);
            }),
            What::Reload { tab, forget } => self.on_tab(tab, |world, tab| {
                if forget {
                    world.tabs[tab].forget();
                }
                world.reload(tab);
            }),
            What::Call { tab, stream, call } => self.on_stream(tab, stream, |world, tab, stream| {
                world.with_tab(tab, |tab, now| tab.call(now, call, &stream));
            }),
            What::Publish { tab, stream, count } => self.on_stream(tab, stream, |world, tab, stream| {
                world.with_tab(tab, |tab, now| (0..count).for_each(|_| tab.call(now, Call::Publish, &stream)));
            }),
            What::Resubscribe { tab, stream } => self.on_stream(tab, stream, |world, tab, stream| {
                world.with_tab(tab, |tab, now| tab.resubscribe(now, &stream));
            }),
            What::Crash { down, clock } => {
                self.crash_server(down, 0);
                let right = self.server_clock.read(self.now);
                let reads = match clock {
                    ClockStep::Right => right,
                    ClockStep::Back(by) => Instant::from_millis(right.as_millis().saturating_sub(by.as_millis())),
                    ClockStep::Ahead(by) => right + by,
                };
                self.server_clock = Clock::new(self.now, reads);
            }
            What::CrashLosing { down, lost } => self.crash_server(down, lost),
            What::Pause { span } => self.server_paused_until = self.server_paused_until.max(self.now + span),
            What::Jump { by } => self.server_clock.jump(self.now, by),
            What::ServerDrift { rate } => self.server_clock.set_rate(self.now, rate),
            What::Drain { span } => self.if_up(|world| world.with_server(|server, now| server.drain(now, span))),
            What::Refuse => self.if_up(|world| world.with_server(|server, now| server.refuse(now))),
            What::Sick { span } => {
                self.sick_until = self.sick_until.max(self.now + span);
                self.server.is_sick = true;
                self.at(span, Happening::Recovered);
            }
            What::Trim { stream, keep } => self.change_planned(stream, |log| log.trim(keep)),
            What::Compact { stream, one_in, pick } => self.change_planned(stream, |log| {
                log.compact(|event| chance::stream(pick, &event.id).up_to(one_in - 1) == 0);
            }),
            What::Recreate { stream } => self.change_planned(stream, StreamLog::recreate),
            What::End { stream } => self.change_planned(stream, StreamLog::end),
            What::Operate { tab, stream, pick, operation } => self.on_stream(tab, stream, |world, tab, stream| {
                world.if_up(|world| world.operate(tab, stream, pick, operation));
            }),
        }
    }

    fn open_planned(&mut self, open: Open) {
        let consumer = ConsumerId::new(&format!("tab{}", open.tab)).expect("a consumer's name");
        let Open { subscribe, has_token, concurrency, max_outbox, dedupe_window, .. } = open;
        let config = ClientConfig { has_token, max_outbox, dedupe_window, ..ClientConfig::new(consumer) };
        let index = self.open(open.tab, App { config, subscribe, concurrency });
        self.numbers.insert(open.tab, index);
    }

    fn duplicate(&mut self, tab: usize, of: usize) {
        self.on_tab(of, |world, of| {
            let clock = Clock::new(world.now, Instant::from_millis(7_000));
            let copy = world.tabs[of].duplicate(clock, chance::stream(world.seed, ("duplicate", tab)));
            let index = world.enter(copy);
            world.numbers.insert(tab, index);
        });
    }

    fn begin_production(&mut self, production: &Production) {
        let Production { count, first, padding, critical, deadline_ms, retries, .. } = *production;
        let priority = if critical { Priority::Critical } else { Priority::Normal };
        let event = |number: u64| {
            let id = EventId::new(&format!("p{number}")).expect("an id");
            Wanted { priority, padding, deadline_ms, retries, ..Wanted::new(id) }
        };
        let events = (first..first + count as u64).map(event).collect();
        let stream = self.streams[production.stream].clone();
        self.ask(production.producer, Batch { stream, events });
    }

    /// An operator picks an event of the log, and does this to it for a consumer.
    fn operate(&mut self, tab: usize, stream: StreamName, pick: u64, operation: Operation) {
        let key: Key = (stream, self.tabs[tab].consumer.clone());
        let (mut vouched, now) = (None, self.server_clock.read(self.now));
        let say = self.server.operate(now, &key, |feed, log| vouched = operate(feed, now, log, pick, operation));
        if let Some((seq, id)) = vouched {
            self.check.vouched(key, seq, &id);
        }
        self.with_server(|_, _| say);
    }

    /// The application sends an event again itself, or does not, and may later say that it is applied.
    pub(crate) fn retried(&mut self, life: u32, key: Key, seq: Seq, attempt: u32) {
        let mut rng = chance::stream(self.seed, ("retried", &key, seq, attempt));
        let (is_sent, is_applied) = (chance::percent(&mut rng, 80), chance::percent(&mut rng, 50));
        let outcome = if is_sent { Ok(()) } else { Err("it could not") };
        let id = self.server.logs[&key.0].get(seq).map(|event| event.id.clone());
        if let Some(id) = id.filter(|_| is_sent && is_applied) {
            self.check.vouched(key.clone(), seq, &id);
        }
        self.of_life(life, |server, now| {
            let mut say = server.handle_retried(now, &key, (seq, attempt), outcome);
            if is_sent && is_applied {
                say.extend(server.operate(now, &key, |feed, log| {
                    if let Some(event) = log.get(seq) {
                        let _: Result<bool, NotDone> = feed.confirm(now, event);
                    }
                }));
            }
            say
        });
    }

    fn rearm(&mut self, tab: usize) {
        self.tabs[tab].armed = None;
        self.arm_tab(tab);
    }

    fn change_planned(&mut self, stream: usize, change: impl FnOnce(&mut StreamLog)) {
        let name = self.streams[stream].clone();
        self.change_log(&name, change);
    }

    fn change_log(&mut self, stream: &str, change: impl FnOnce(&mut StreamLog)) {
        let name = StreamName::new(stream).expect("a stream's name");
        change(self.server.logs.get_mut(&name).expect("a stream"));
        self.log_moved(&name);
    }

    fn on_tab(&mut self, number: usize, act: impl FnOnce(&mut Self, usize)) {
        if let Some(tab) = self.numbers.get(&number) {
            act(self, *tab);
        }
    }

    /// An application that stands still does nothing.
    fn on_stream(&mut self, number: usize, stream: usize, act: impl FnOnce(&mut Self, usize, StreamName)) {
        let Some(&tab) = self.numbers.get(&number) else { return };
        let name = self.streams[stream].clone();
        let has_it = self.tabs[tab].streams().any(|held| *held == name);
        if has_it && self.tabs[tab].frozen_until <= self.now {
            act(self, tab, name);
        }
    }

    fn if_up(&mut self, act: impl FnOnce(&mut Self)) {
        if self.server_is_up() && self.server_paused_until <= self.now {
            act(self);
        }
    }

    /// Connections that the page still holds.
    fn connections_of(&self, tab: usize) -> Vec<u64> {
        self.network.of_page(tab, self.tabs[tab].life)
    }
}

/// Which event was vouched for, if the operation does that and was done.
fn operate(feed: &mut Feed, now: Instant, log: &StreamLog, pick: u64, operation: Operation) -> Option<(Seq, EventId)> {
    let letters: Vec<Seq> = feed.tracker().dead_letters().map(|letter| letter.seq).collect();
    let of = |many: usize| (pick % many.max(1) as u64) as usize;
    match operation {
        Operation::Confirm | Operation::Fail { .. } => {
            // Most of what an operator touches is recent.
            let event = log.events().rev().nth(of(log.events().len().min(20)))?;
            if let Operation::Fail { retry } = operation {
                let _: Result<(), NotDone> = feed.fail_event(now, event, "an operator says so", retry);
                return None;
            }
            feed.confirm(now, event).ok().map(|_| (event.seq, event.id.clone()))
        }
        Operation::Requeue => {
            let event = log.get(*letters.get(of(letters.len()))?)?;
            feed.requeue(now, event).expect("a dead letter that the log holds");
            None
        }
        Operation::Discard => {
            let seq = *letters.get(of(letters.len()))?;
            feed.discard(seq).expect("a dead letter");
            None
        }
    }
}
