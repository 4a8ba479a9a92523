//! How bad the world is at a moment.

use ackwire::base::{Duration, Rng};
use ackwire::deliver::{Config, Limits};

use crate::chance::percent;
use crate::seen::{Call, Handling};

/// What the network, the handlers, the clocks and the storage do by chance. Percentages are of frames, deliveries,
/// requests or timers.
#[derive(Clone, Debug)]
pub struct Conditions {
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
    /// Handlers that are done when they return, in percent.
    pub at_once: u32,
    /// Handlers that call the client, in percent.
    pub calls: u32,
    /// The longest time that a handler takes.
    pub slow: Duration,
    /// Events before which seqs are left out, in percent.
    pub sparse: u32,
    /// Requests of producers that get lost, or whose answer does, in percent.
    pub request_loss: u32,
    /// How long a read of the log takes at most.
    pub reading: Duration,
    /// How long a save of what is known of deliveries takes at most.
    pub saving: Duration,
    /// Tokens that are refused, never come, or have expired, in percent.
    pub bad_tokens: u32,
    /// How long tokens last.
    pub token_life: Duration,
    /// Timers that fire late or early, in percent.
    pub bad_timers: u32,
    /// How often the server writes down what its trackers know.
    pub save_every: Duration,
    /// How the server sends.
    pub delivery: Config,
    /// What the server allows.
    pub limits: Limits,
}

/// What becomes of a wish for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// A good one.
    Good,
    /// One that has expired.
    Expired,
    /// The application's function fails.
    Fails,
    /// It never answers.
    Hangs,
}

const MS: fn(u64) -> Duration = Duration::from_millis;

impl Conditions {
    /// Nothing happens by itself; for stories that say what happens.
    pub fn quiet() -> Self {
        Self {
            latency: Duration::ZERO,
            drop: 0,
            duplicate: 0,
            reorder: 0,
            throws: 0,
            hangs: 0,
            at_once: 0,
            calls: 0,
            slow: Duration::ZERO,
            sparse: 0,
            request_loss: 0,
            reading: Duration::ZERO,
            saving: Duration::ZERO,
            bad_tokens: 0,
            token_life: Duration::from_secs(3600),
            bad_timers: 0,
            save_every: MS(50),
            delivery: Config::default(),
            limits: Limits::default(),
        }
    }

    /// The same, after everything was mended.
    pub fn healed(&self) -> Self {
        let Self { save_every, delivery, limits, .. } = *self;
        Self { latency: MS(5), save_every, delivery, limits, ..Self::quiet() }
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
        if percent(rng, self.reorder) { MS(1 + rng.up_to(150)) } else { Duration::ZERO }
    }

    pub(crate) fn handling(&self, rng: &mut Rng) -> Handling {
        let after = (!percent(rng, self.at_once)).then(|| MS(rng.up_to(self.slow.as_millis())));
        let call = percent(rng, self.calls).then(|| Call::ALL[rng.up_to(Call::ALL.len() as u64 - 1) as usize]);
        let hangs = percent(rng, self.hangs);
        let throws = percent(rng, self.throws);
        let retry = !percent(rng, 5);
        Handling { after: after.filter(|_| !hangs), hangs, throws, retry, call }
    }

    pub(crate) fn token(&self, rng: &mut Rng) -> TokenAnswer {
        if !percent(rng, self.bad_tokens) {
            return TokenAnswer::Good;
        }
        [TokenAnswer::Expired, TokenAnswer::Fails, TokenAnswer::Hangs][rng.up_to(2) as usize]
    }

    /// How much a timer is late; `Err` if it is early by that much.
    pub(crate) fn lateness(&self, rng: &mut Rng) -> Result<Duration, Duration> {
        match (percent(rng, self.bad_timers), rng.up_to(3)) {
            (false, _) => Ok(Duration::ZERO),
            (true, 0) => Err(MS(1 + rng.up_to(20))),
            // A background tab's timers are throttled to one in a second, and later to one in a minute.
            (true, 1) => Ok(Duration::from_secs(rng.up_to(60))),
            (true, _) => Ok(MS(rng.up_to(1000))),
        }
    }
}
