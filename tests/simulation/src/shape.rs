//! How a story is drawn: who there is, what is produced, and the particulars of what goes wrong.

use ackwire::base::{Backoff, Duration, Rng};
use ackwire::deliver::{Config, Limits};
use ackwire::receive::SubscribeOptions;
use ackwire::wire::{EventType, Filter, From, StreamName, Window};

use crate::chance::{percent, small};
use crate::plan::{Act, ClockStep, Open, Operation, Production, What};
use crate::seen::Call;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A kind of trouble; its particulars are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Cut,
    HalfOpen,
    Stall,
    Throttle,
    Freeze,
    Drift,
    Reload,
    Duplicate,
    Call,
    Publish,
    Flood,
    Crash,
    CrashLosing,
    Pause,
    Jump,
    ServerDrift,
    Drain,
    Refuse,
    Sick,
    Trim,
    Compact,
    Recreate,
    End,
    Operate,
}

use Trouble as T;

/// How many there are of each.
pub struct Shape {
    pub tabs: usize,
    pub producers: usize,
    pub streams: usize,
    /// Whether its windows and frames are very small or very large.
    pub is_extreme: bool,
}

impl Shape {
    /// 1 to 8 consumers and producers, mostly few, and streams, sometimes many.
    pub fn draw(rng: &mut Rng, is_extreme: bool) -> Self {
        let streams = if percent(rng, 5) { 8 + rng.up_to(24) } else { 1 + small(rng, 5) };
        Self {
            tabs: 1 + small(rng, 7) as usize,
            producers: 1 + small(rng, 7) as usize,
            streams: streams as usize,
            is_extreme,
        }
    }

    pub fn open(&self, tab: usize, rng: &mut Rng) -> Open {
        let mut subscribe: Vec<SubscribeOptions> = Vec::new();
        for stream in 0..self.streams {
            if percent(rng, 60) || (subscribe.is_empty() && stream + 1 == self.streams) {
                subscribe.push(self.options(stream, rng));
            }
        }
        let has_token = percent(rng, 40);
        Open {
            tab,
            subscribe,
            has_token,
            concurrency: 1 + small(rng, 7) as usize,
            max_outbox: 1 + small(rng, if self.is_extreme { 200 } else { 40 }) as usize,
            dedupe_window: if self.is_extreme { 1 + small(rng, 60) as usize } else { 4096 },
        }
    }

    /// All streams together get about the same.
    pub fn produce(&self, span: Duration, rng: &mut Rng, acts: &mut Vec<Act>) {
        let every = 20 + rng.up_to(400);
        let burst = 1 + small(rng, 20);
        let (mut at, mut first) = (0, 0);
        while at < span.as_millis() {
            let count = 1 + rng.up_to(burst) as usize;
            let production = self.production(first, count, rng);
            acts.push(Act { place: 0, at: ms(at), what: What::Produce(production) });
            first += count as u64;
            at += 1 + rng.up_to(every * 2);
        }
    }

    fn production(&self, first: u64, count: usize, rng: &mut Rng) -> Production {
        Production {
            padding: if percent(rng, 5) { rng.up_to(3000) as usize } else { 0 },
            producer: pick(rng, self.producers),
            stream: pick(rng, self.streams),
            count,
            first,
            critical: percent(rng, 5),
            deadline_ms: percent(rng, 3).then(|| 100 + rng.up_to(2000) as u32),
            retries: percent(rng, 3).then(|| rng.up_to(5) as u32),
        }
    }

    pub fn particulars(&self, kind: Trouble, rng: &mut Rng) -> What {
        let (tab, stream) = (pick(rng, self.tabs), pick(rng, self.streams));
        match kind {
            T::Cut => What::Cut { tab },
            T::HalfOpen => What::HalfOpen { tab },
            T::Stall => What::Stall { tab, span: span(rng, 20_000) },
            T::Throttle => What::Throttle { tab, span: span(rng, 5_000), rate: 200 + small(rng, 20_000) },
            T::Freeze => {
                let span = span(rng, 90_000);
                // Some clocks stand still while their machine sleeps.
                let jump = if percent(rng, 50) { Duration::ZERO } else { ms(small(rng, 3_600_000)) };
                What::Freeze { tab, span, jump }
            }
            T::Drift => What::Drift { tab, rate: 900 + rng.up_to(200) },
            T::Reload => What::Reload { tab, forget: percent(rng, 20) },
            T::Duplicate => What::Duplicate { tab: 0, of: tab },
            T::Call if percent(rng, 40) => What::Resubscribe { tab, stream },
            T::Call => What::Call { tab, stream, call: Call::ALL[pick(rng, Call::ALL.len())] },
            T::Publish => What::Publish { tab, stream, count: 1 + small(rng, 100) as usize },
            T::Flood => What::Produce(self.production(0, 100 + small(rng, 400) as usize, rng)),
            T::Crash => {
                let down = span(rng, 3000);
                let step = ms(rng.up_to(60_000));
                let clock = [ClockStep::Right, ClockStep::Back(step), ClockStep::Ahead(step)][pick(rng, 3)];
                What::Crash { down, clock }
            }
            T::CrashLosing => What::CrashLosing { down: span(rng, 3000), lost: 1 + small(rng, 10) as usize },
            T::Pause => What::Pause { span: span(rng, 5000) },
            T::Jump => What::Jump { by: span(rng, 120_000) },
            T::ServerDrift => What::ServerDrift { rate: 900 + rng.up_to(200) },
            T::Drain => What::Drain { span: span(rng, 3000) },
            T::Refuse => What::Refuse,
            T::Sick => What::Sick { span: span(rng, 3000) },
            T::Trim => What::Trim { stream, keep: small(rng, 30) as usize },
            T::Compact => What::Compact { stream, one_in: 2 + rng.up_to(6), pick: rng.next_u64() },
            T::Recreate => What::Recreate { stream },
            T::End => What::End { stream },
            T::Operate => {
                let retry = percent(rng, 50);
                let all = [
                    Operation::Confirm,
                    Operation::Fail { retry },
                    Operation::Requeue,
                    Operation::Requeue,
                    Operation::Discard,
                ];
                What::Operate { tab, stream, pick: rng.next_u64(), operation: all[pick(rng, all.len())] }
            }
        }
    }

    /// Most pages resume; some want everything each time they load, some only what comes; some want a type alone.
    fn options(&self, stream: usize, rng: &mut Rng) -> SubscribeOptions {
        let from = match rng.up_to(9) {
            0 => From::Start,
            1 => From::Now,
            _ => From::Resume,
        };
        let types = Some(vec![EventType::new("third").expect("a type")]);
        let (events, bytes) = match self.is_extreme {
            true if percent(rng, 50) => (200 + rng.up_to(800) as u32, 1 << 20),
            true => (1 + small(rng, 8) as u32, Window::MIN_BYTES),
            false => (1 + small(rng, 60) as u32, 65_536),
        };
        let bytes = if percent(rng, 20) { Window::MIN_BYTES + small(rng, 4000) as u32 } else { bytes };
        SubscribeOptions {
            from,
            window: Window::new(events, bytes).expect("a window"),
            filter: percent(rng, 10).then(|| Filter { types, ..Filter::default() }),
            ..SubscribeOptions::new(StreamName::new(&format!("s{stream}")).expect("a stream's name"))
        }
    }

    /// Small limits are reached more often.
    pub fn server(&self, rng: &mut Rng) -> (Config, Limits) {
        let deadline =
            if percent(rng, 33) { Duration::from_secs(1 + rng.up_to(10)) } else { Config::default().deadline };
        let delivery = Config {
            deadline,
            retries: if percent(rng, 20) { rng.up_to(5) as u32 } else { 3 },
            retry_backoff: Backoff { base: ms(200), max: Duration::from_secs(5) },
            ask_for_retries: percent(rng, 5),
            frame_events: 1 + if self.is_extreme { small(rng, 3) } else { rng.up_to(15) } as u32,
            frame_bytes: if percent(rng, 20) { 200 + small(rng, 4000) as u32 } else { Config::default().frame_bytes },
            ..Config::default()
        };
        let limits = Limits {
            heartbeat: Duration::from_secs(if percent(rng, 50) { 25 } else { 2 + rng.up_to(8) }),
            publishes_per_second: if percent(rng, 20) { 1 + rng.up_to(10) as u32 } else { 200 },
            publish_burst: if percent(rng, 20) { 1 + rng.up_to(3) as u32 } else { 400 },
            ..Limits::default()
        };
        (delivery, limits)
    }
}

fn span(rng: &mut Rng, most: u64) -> Duration {
    ms(1 + small(rng, most))
}

fn pick(rng: &mut Rng, of: usize) -> usize {
    rng.up_to(of as u64 - 1) as usize
}
