//! What kinds of stories there are, and how one is drawn.

use ackwire::base::{Backoff, Duration, Rng};
use ackwire::deliver::{Config, Limits};
use ackwire::receive::SubscribeOptions;
use ackwire::wire::{EventType, Filter, From, StreamName, Window};

use crate::chance::{self, percent, small};
use crate::plan::{Act, ClockStep, Dial, Open, Operation, Plan, Production, What};
use crate::seen::Call;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A kind of trouble; its particulars are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Cut,
    HalfOpen,
    Stall,
    Throttle,
    Freeze,
    Drift,
    Reload,
    Duplicate,
    Call,
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

/// A kind of story.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What may go wrong at any moment; twice is twice as often.
    troubles: &'static [Trouble],
    /// How often, on average.
    every: Duration,
    /// What the world is like.
    dials: fn(&mut Rng) -> Vec<Dial>,
    /// Whether each seed leaves out some of all this: what is rare beside everything else is common alone (Groce et al.,
    /// "Swarm testing", ISSTA 2012).
    swarm: bool,
}

const BASIC: &[Trouble] = &[T::Cut, T::Cut, T::HalfOpen, T::Reload, T::Call];

/// Every kind of story.
static PROFILES: [Profile; 8] = [
    Profile { name: "flaky", troubles: BASIC, every: ms(900), dials: basic, swarm: false },
    Profile {
        name: "network",
        troubles: &[T::Cut, T::HalfOpen, T::Stall, T::Throttle, T::Drain, T::Call],
        every: ms(1500),
        dials: lossy,
        swarm: false,
    },
    Profile {
        name: "handlers",
        troubles: &[T::Cut, T::Call, T::Call, T::Operate, T::Operate, T::Reload],
        every: ms(1200),
        dials: thrown,
        swarm: false,
    },
    Profile {
        name: "operations",
        troubles: &[T::Crash, T::CrashLosing, T::Trim, T::Cut, T::Operate, T::Pause, T::Drain],
        every: ms(1500),
        dials: stored,
        swarm: false,
    },
    Profile {
        name: "logs",
        troubles: &[T::Trim, T::Compact, T::Recreate, T::End, T::CrashLosing, T::Cut, T::Sick, T::Reload],
        every: ms(1200),
        dials: stored,
        swarm: false,
    },
    Profile {
        name: "clocks",
        troubles: &[T::Freeze, T::Drift, T::Jump, T::ServerDrift, T::Crash, T::Cut, T::Pause],
        every: ms(1500),
        dials: timed,
        swarm: false,
    },
    Profile {
        name: "pages",
        troubles: &[T::Reload, T::Reload, T::Duplicate, T::Call, T::Refuse, T::Cut, T::Freeze],
        every: ms(900),
        dials: tokens,
        swarm: false,
    },
    Profile {
        name: "everything",
        troubles: &[
            T::Cut,
            T::HalfOpen,
            T::Stall,
            T::Throttle,
            T::Freeze,
            T::Drift,
            T::Reload,
            T::Duplicate,
            T::Call,
            T::Call,
            T::Crash,
            T::CrashLosing,
            T::Pause,
            T::Jump,
            T::ServerDrift,
            T::Drain,
            T::Refuse,
            T::Sick,
            T::Trim,
            T::Compact,
            T::Recreate,
            T::End,
            T::Operate,
            T::Operate,
        ],
        every: ms(900),
        dials: all,
        swarm: true,
    },
];

fn basic(rng: &mut Rng) -> Vec<Dial> {
    let latency = [0, 5, 80, 400][rng.up_to(3) as usize];
    vec![
        Dial::Latency(ms(latency)),
        Dial::Slow(ms([0, 40, 200][rng.up_to(2) as usize])),
        Dial::Sparse(10),
        Dial::AtOnce(rng.up_to(100) as u32),
        Dial::RequestLoss(10),
    ]
}

fn lossy(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = basic(rng);
    dials.extend([
        Dial::Drop(rng.up_to(20) as u32),
        Dial::Duplicate(rng.up_to(20) as u32),
        Dial::Reorder(rng.up_to(40) as u32),
        Dial::RequestLoss(30),
    ]);
    dials
}

fn thrown(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = basic(rng);
    dials.extend([
        Dial::Throws(rng.up_to(40) as u32),
        Dial::Hangs(rng.up_to(3) as u32),
        Dial::Slow(ms(rng.up_to(400))),
        Dial::Calls(rng.up_to(8) as u32),
    ]);
    dials
}

fn stored(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = basic(rng);
    dials.extend([Dial::Throws(5), Dial::Reading(ms(rng.up_to(60))), Dial::Saving(ms(rng.up_to(120)))]);
    dials
}

fn timed(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = basic(rng);
    dials.extend([Dial::Throws(5), Dial::BadTimers(rng.up_to(60) as u32), Dial::Drop(2)]);
    dials
}

fn tokens(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = basic(rng);
    dials.extend([
        Dial::BadTokens(rng.up_to(60) as u32),
        Dial::TokenLife(ms(500 + rng.up_to(6000))),
        Dial::Calls(rng.up_to(4) as u32),
    ]);
    dials
}

fn all(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = lossy(rng);
    for more in [thrown, stored, timed, tokens] {
        dials.extend(more(rng));
    }
    dials
}

impl Profile {
    /// Every profile.
    pub fn all() -> &'static [Self] {
        &PROFILES
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// A seed's story.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut rng = chance::stream(seed, ("plan", self.name));
        let shape = Shape::draw(&mut rng);
        let span = ms([4_000, 10_000, 20_000][rng.up_to(2) as usize]);
        let mut acts = Vec::new();
        for dial in (self.dials)(&mut rng) {
            if !self.swarm || percent(&mut rng, 60) {
                acts.push(Act { place: 0, at: Duration::ZERO, what: What::Set(dial) });
            }
        }
        for tab in 0..shape.tabs {
            // Some are there from the start, some come later.
            let at = if percent(&mut rng, 70) { Duration::ZERO } else { ms(rng.up_to(span.as_millis())) };
            acts.push(Act { place: 0, at, what: What::Open(Box::new(shape.open(tab, &mut rng))) });
        }
        shape.produce(span, &mut rng, &mut acts);
        self.trouble(&shape, span, &mut rng, &mut acts);
        acts.sort_by_key(|act| act.at);
        acts.iter_mut().enumerate().for_each(|(place, act)| act.place = place);
        let (delivery, limits) = server(&mut rng);
        let streams = (0..shape.streams).map(|number| format!("s{number}")).collect();
        Plan { streams, producers: shape.producers, delivery, limits, span, acts }
    }

    fn trouble(&self, shape: &Shape, span: Duration, rng: &mut Rng, acts: &mut Vec<Act>) {
        let kinds: Vec<Trouble> = self.troubles.iter().copied().filter(|_| !self.swarm || percent(rng, 50)).collect();
        if kinds.is_empty() {
            return;
        }
        let (mut at, mut tabs) = (ms(rng.up_to(self.every.as_millis() * 2)), shape.tabs);
        while at < span {
            let kind = kinds[rng.up_to(kinds.len() as u64 - 1) as usize];
            let mut what = shape.particulars(kind, rng);
            if let What::Duplicate { tab, .. } = &mut what {
                *tab = tabs;
                tabs += 1;
            }
            acts.push(Act { place: 0, at, what });
            at = ms(at.as_millis() + 1 + rng.up_to(self.every.as_millis() * 2));
        }
    }
}

/// How many there are of each.
struct Shape {
    tabs: usize,
    producers: usize,
    streams: usize,
}

impl Shape {
    /// 1 to 8 consumers and producers, mostly few, and streams, sometimes many.
    fn draw(rng: &mut Rng) -> Self {
        let streams = if percent(rng, 5) { 8 + rng.up_to(24) } else { 1 + small(rng, 5) };
        Self { tabs: 1 + small(rng, 7) as usize, producers: 1 + small(rng, 7) as usize, streams: streams as usize }
    }

    fn open(&self, tab: usize, rng: &mut Rng) -> Open {
        let mut subscribe: Vec<SubscribeOptions> = Vec::new();
        for stream in 0..self.streams {
            if percent(rng, 60) || (subscribe.is_empty() && stream + 1 == self.streams) {
                subscribe.push(options(stream, rng));
            }
        }
        let has_token = percent(rng, 40);
        Open {
            tab,
            subscribe,
            has_token,
            concurrency: 1 + small(rng, 7) as usize,
            max_outbox: 1 + small(rng, 40) as usize,
        }
    }

    /// All streams together get about the same.
    fn produce(&self, span: Duration, rng: &mut Rng, acts: &mut Vec<Act>) {
        let every = 20 + rng.up_to(400);
        let burst = 1 + small(rng, 20);
        let (mut at, mut first) = (0, 0);
        while at < span.as_millis() {
            let count = 1 + rng.up_to(burst) as usize;
            let padding = if percent(rng, 5) { rng.up_to(3000) as usize } else { 0 };
            acts.push(Act {
                place: 0,
                at: ms(at),
                what: What::Produce(Production {
                    producer: pick(rng, self.producers),
                    stream: pick(rng, self.streams),
                    count,
                    first,
                    padding,
                    critical: percent(rng, 5),
                    deadline_ms: percent(rng, 3).then(|| 100 + rng.up_to(2000) as u32),
                    retries: percent(rng, 3).then(|| rng.up_to(5) as u32),
                }),
            });
            first += count as u64;
            at += 1 + rng.up_to(every * 2);
        }
    }

    fn particulars(&self, kind: Trouble, rng: &mut Rng) -> What {
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
}

/// Most pages resume; some want everything each time they load, some only what comes; some want a type alone.
fn options(stream: usize, rng: &mut Rng) -> SubscribeOptions {
    let from = match rng.up_to(9) {
        0 => From::Start,
        1 => From::Now,
        _ => From::Resume,
    };
    let types = Some(vec![EventType::new("third").expect("a type")]);
    let bytes = if percent(rng, 20) { Window::MIN_BYTES + small(rng, 4000) as u32 } else { 65_536 };
    SubscribeOptions {
        from,
        window: Window::new(1 + small(rng, 60) as u32, bytes).expect("a window"),
        filter: percent(rng, 10).then(|| Filter { types, ..Filter::default() }),
        ..SubscribeOptions::new(StreamName::new(&format!("s{stream}")).expect("a stream's name"))
    }
}

/// Small limits are reached more often.
fn server(rng: &mut Rng) -> (Config, Limits) {
    let deadline = if percent(rng, 33) { Duration::from_secs(1 + rng.up_to(10)) } else { Config::default().deadline };
    let delivery = Config {
        deadline,
        retries: if percent(rng, 20) { rng.up_to(5) as u32 } else { 3 },
        retry_backoff: Backoff { base: ms(200), max: Duration::from_secs(5) },
        ask_for_retries: percent(rng, 5),
        frame_events: 1 + rng.up_to(15) as u32,
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

fn span(rng: &mut Rng, most: u64) -> Duration {
    ms(1 + small(rng, most))
}

fn pick(rng: &mut Rng, of: usize) -> usize {
    rng.up_to(of as u64 - 1) as usize
}
