//! How bad the world is.

use ackwire::base::{Duration, Rng};
use ackwire::deliver::Config;

use crate::tab::Handling;
use crate::world::Trouble;

/// What the network, the handlers and the operators do. Percentages are of frames, deliveries or events.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// The longest time that a text takes.
    pub latency: Duration,
    /// `events` frames that are lost between server and socket, in percent.
    pub drop: u32,
    /// `events` frames that are sent twice, in percent.
    pub duplicate: u32,
    /// `events` frames that are overtaken by later ones, in percent.
    pub reorder: u32,
    /// Handlers that throw, in percent.
    pub throws: u32,
    /// Handlers that never settle, in percent.
    pub hangs: u32,
    /// The longest time that a handler takes.
    pub slow: Duration,
    /// Events before which seqs are left out, in percent.
    pub sparse: u32,
    /// How often events are appended, on average.
    pub produce_every: Option<Duration>,
    /// At most so many more than one at a time.
    pub burst: u64,
    /// How often something goes wrong, on average.
    pub trouble_every: Option<Duration>,
    /// What goes wrong.
    pub troubles: &'static [Trouble],
    /// How often the server writes down what its trackers know.
    pub save_every: Duration,
    /// How the server sends.
    pub delivery: Config,
}

const MS: fn(u64) -> Duration = Duration::from_millis;

impl Profile {
    /// Nothing happens by itself; for tests that say what happens.
    pub fn quiet() -> Self {
        Self {
            name: "quiet",
            latency: Duration::ZERO,
            drop: 0,
            duplicate: 0,
            reorder: 0,
            throws: 0,
            hangs: 0,
            slow: Duration::ZERO,
            sparse: 0,
            produce_every: None,
            burst: 0,
            trouble_every: None,
            troubles: &[],
            save_every: MS(50),
            delivery: Config::default(),
        }
    }

    /// Connections come and go.
    pub fn flaky() -> Self {
        Self {
            name: "flaky",
            latency: MS(80),
            slow: MS(40),
            sparse: 10,
            produce_every: Some(MS(60)),
            burst: 12,
            trouble_every: Some(MS(900)),
            troubles: &[Trouble::Cut, Trouble::Cut, Trouble::HalfOpen, Trouble::Reload, Trouble::Wake],
            ..Self::quiet()
        }
    }

    /// Frames are lost, doubled and overtaken behind the socket.
    pub fn fanout() -> Self {
        Self {
            name: "fanout",
            drop: 8,
            duplicate: 8,
            reorder: 15,
            trouble_every: Some(MS(5000)),
            troubles: &[Trouble::Cut, Trouble::Wake, Trouble::Repeat],
            ..Self::flaky()
        }
    }

    /// Handlers throw, hang and are slow.
    pub fn handlers() -> Self {
        Self {
            name: "handlers",
            throws: 12,
            hangs: 1,
            slow: MS(400),
            produce_every: Some(MS(400)),
            burst: 3,
            trouble_every: Some(MS(4000)),
            ..Self::flaky()
        }
    }

    /// The server is killed, and retention takes what was not read.
    pub fn operations() -> Self {
        Self {
            name: "operations",
            troubles: &[Trouble::Crash, Trouble::CrashLosing, Trouble::Trim, Trouble::Cut, Trouble::Repeat],
            trouble_every: Some(MS(2500)),
            ..Self::flaky()
        }
    }

    /// All of it.
    pub fn everything() -> Self {
        Self {
            name: "everything",
            drop: 3,
            duplicate: 3,
            reorder: 6,
            throws: 4,
            hangs: 1,
            slow: MS(120),
            trouble_every: Some(MS(2000)),
            troubles: &[
                Trouble::Cut,
                Trouble::HalfOpen,
                Trouble::Reload,
                Trouble::Wake,
                Trouble::Crash,
                Trouble::CrashLosing,
                Trouble::Trim,
                Trouble::Repeat,
            ],
            ..Self::flaky()
        }
    }

    /// Every profile that a seed may draw.
    pub fn all() -> Vec<Self> {
        vec![Self::flaky(), Self::fanout(), Self::handlers(), Self::operations(), Self::everything()]
    }

    /// The same, after everything was mended.
    pub fn healed(&self) -> Self {
        Self { name: self.name, latency: MS(5), save_every: self.save_every, delivery: self.delivery, ..Self::quiet() }
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> Duration {
        MS(rng.up_to(self.latency.as_millis()))
    }

    pub(crate) fn copies(&self, rng: &mut Rng) -> u32 {
        match rng.up_to(99) {
            roll if roll < u64::from(self.drop) => 0,
            roll if roll < u64::from(self.drop + self.duplicate) => 2,
            _ => 1,
        }
    }

    pub(crate) fn overtake(&self, rng: &mut Rng) -> Duration {
        if rng.up_to(99) < u64::from(self.reorder) { MS(1 + rng.up_to(150)) } else { Duration::ZERO }
    }

    pub(crate) fn handling(&self, rng: &mut Rng) -> Handling {
        let after = MS(rng.up_to(self.slow.as_millis()));
        match rng.up_to(99) {
            roll if roll < u64::from(self.hangs) => Handling::Hangs,
            roll if roll < u64::from(self.hangs + self.throws) => Handling::Throws(after),
            _ => Handling::Succeeds(after),
        }
    }
}
