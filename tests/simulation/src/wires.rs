//! What goes over the network, and what the server wants done.

use ackwire::base::{Duration, Instant};
use ackwire::receive::SocketId;
use ackwire::wire::StreamName;

use crate::chance;
use crate::server::{Key, Kind, Say, Server};
use crate::world::{Happening, World};

impl World {
    pub(crate) fn dial(&mut self, tab: usize, life: u32, socket: SocketId) {
        let now = self.now;
        let connection = self.network.open(now, tab, life, socket);
        let is_up = self.server_is_up();
        let conditions = &self.conditions;
        let wire = self.network.wire(connection);
        wire.dead = !is_up;
        let at = wire.up.send(now, 0, conditions);
        let happening =
            if is_up { Happening::Opened { connection } } else { Happening::ClientClosed { connection, code: 1006 } };
        self.agenda.push(at, happening);
    }

    pub(crate) fn opened(&mut self, connection: u64) {
        let wire = self.network.wire(connection);
        let (tab, life, socket) = (wire.tab, wire.life, wire.socket);
        if self.tabs[tab].life != life || wire.client_gone || wire.dead {
            return;
        }
        if !self.server_is_up() {
            return self.at(Duration::ZERO, Happening::ClientClosed { connection, code: 1006 });
        }
        let now = self.server_clock.read(self.now);
        self.server.handle_opened(now, connection);
        self.with_tab(tab, |tab, now| tab.session.handle_open(now, socket));
    }

    pub(crate) fn send_up(&mut self, tab: usize, life: u32, socket: SocketId, text: String) {
        let Some(connection) = self.network.of_socket(tab, life, socket) else { return };
        let at = self.network.wire(connection).up.send(self.now, text.len(), &self.conditions);
        self.agenda.push(at, Happening::ToServer { connection, text });
    }

    pub(crate) fn reach_server(&mut self, connection: u64, text: &str) {
        let wire = self.network.wire(connection);
        if wire.dead || wire.server_gone || !self.server_is_up() {
            return;
        }
        self.note(|| format!("→ {connection} {text}"));
        let now = self.now;
        let token_life = |token: Option<&str>| {
            let Some(token) = token else { return Ok(None) };
            let until = Instant::from_millis(token.parse().expect("a token of ours"));
            if until > now { Ok(Some(until - now)) } else { Err(()) }
        };
        self.with_server(|server, now| server.handle_text(now, connection, text, token_life));
    }

    pub(crate) fn reach_client(&mut self, connection: u64, text: &str, kind: &Kind) {
        let wire = self.network.wire(connection);
        let (tab, life, socket) = (wire.tab, wire.life, wire.socket);
        if wire.dead || wire.client_gone || self.tabs[tab].life != life || !wire.takes(kind) {
            return;
        }
        self.note(|| format!("← {connection} {text}"));
        self.with_tab(tab, |tab, now| tab.handle_text(now, socket, text));
    }

    pub(crate) fn close_from_client(&mut self, tab: usize, life: u32, socket: SocketId) {
        let Some(connection) = self.network.of_socket(tab, life, socket) else { return };
        let wire = self.network.wire(connection);
        wire.client_gone = true;
        let at = wire.up.drained(self.now);
        if !wire.dead {
            self.agenda.push(at, Happening::ServerClosed { connection });
        }
    }

    pub(crate) fn with_server(&mut self, change: impl FnOnce(&mut Server, Instant) -> Vec<Say>) {
        let now = self.server_clock.read(self.now);
        let say = change(&mut self.server, now);
        if self.trace.is_some() {
            for (key, _, notice) in self.server.notices.clone() {
                self.note(|| format!("  {}, {}: {notice:?}", key.1, key.0));
            }
        }
        self.say(say);
        self.check.server(&mut self.server);
    }

    /// The same, unless the server has died since.
    pub(crate) fn of_life(&mut self, life: u32, change: impl FnOnce(&mut Server, Instant) -> Vec<Say>) {
        if self.server.life == life && self.server_is_up() {
            self.with_server(change);
        }
    }

    pub(crate) fn arm_server(&mut self) {
        let due = self.server.poll_timeout().filter(|_| self.server_is_up());
        if due == self.server_armed {
            return;
        }
        self.server_armed = due;
        self.server_timer += 1;
        if let Some(due) = due {
            let at = self.server_clock.when(due).max(self.now);
            self.agenda.push(at, Happening::ServerTimer { number: self.server_timer });
        }
    }

    pub(crate) fn say(&mut self, say: Vec<Say>) {
        let life = self.server.life;
        for say in say {
            match say {
                Say::Close(connection, code) => {
                    let wire = self.network.wire(connection);
                    wire.server_gone = true;
                    let at = wire.down.drained(self.now);
                    if !wire.dead {
                        self.agenda.push(at, Happening::ClientClosed { connection, code });
                    }
                }
                Say::Send(connection, text, kind) => self.send_down(connection, text, kind),
                Say::Read(key, request) => {
                    let after = self.storage_delay(self.conditions.reading, ("read", &key, request.id));
                    self.at(after, Happening::Read { life, key, request });
                }
                Say::Save(key, id) => {
                    let after = self.storage_delay(self.conditions.saving, ("save", &key, id));
                    self.at(after, Happening::Saved { life, key, id });
                }
                Say::Retry(key, seq, attempt) => {
                    let after = self.storage_delay(self.conditions.slow, ("retry", &key, u64::from(attempt)));
                    self.at(after, Happening::Retried { life, key, seq, attempt });
                }
                Say::Moved(stream) => self.log_moved(&stream),
            }
        }
    }

    pub(crate) fn storage_delay(&self, most: Duration, who: (&str, &Key, u64)) -> Duration {
        Duration::from_millis(chance::stream(self.seed, who).up_to(most.as_millis()))
    }

    pub(crate) fn send_down(&mut self, connection: u64, text: String, kind: Kind) {
        let (now, conditions) = (self.now, &self.conditions);
        let lane = &mut self.network.wire(connection).down;
        if !matches!(kind, Kind::Events(..)) {
            let at = lane.send(now, text.len(), conditions);
            return self.agenda.push(at, Happening::ToClient { connection, text, kind });
        }
        let arrivals = lane.send_events(now, text.len(), conditions).0;
        if arrivals.is_empty() {
            self.note(|| format!("✗ {connection} {text}"));
        }
        for at in arrivals {
            self.agenda.push(at, Happening::ToClient { connection, text: text.clone(), kind: kind.clone() });
        }
    }

    pub(crate) fn log_moved(&mut self, stream: &StreamName) {
        if self.server_is_up() {
            self.with_server(|server, now| server.handle_tail(now, stream));
        }
    }

    pub(crate) fn server_is_up(&self) -> bool {
        self.server_down_until <= self.now
    }
}
