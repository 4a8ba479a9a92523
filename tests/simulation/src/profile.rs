//! What kinds of stories there are, and how one is drawn.

use ackwire::base::{Duration, Rng};

use crate::chance::{self, percent};
use crate::plan::{Act, Dial, Plan, Production, What};
use crate::shape::{Shape, Trouble as T};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The number of the first event that comes in a flood; all others have lower ones.
const FIRST_OF_FLOODS: u64 = 1_000_000;

/// A kind of story.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What may go wrong at any moment; twice is twice as often.
    troubles: &'static [T],
    /// How often, on average.
    every: Duration,
    /// What the world is like.
    dials: fn(&mut Rng) -> Vec<Dial>,
    /// How many of a hundred seeds are about bounds: their windows and frames are very small or very large.
    extreme: u32,
    /// Whether each seed leaves out some of all this: what is rare beside everything else is common alone (Groce et al.,
    /// "Swarm testing", ISSTA 2012).
    swarm: bool,
}

const BASIC: &[T] = &[T::Cut, T::Cut, T::HalfOpen, T::Reload, T::Call];

/// Every kind of story.
static PROFILES: [Profile; 9] = [
    Profile { name: "flaky", troubles: BASIC, every: ms(900), dials: basic, extreme: 0, swarm: false },
    Profile {
        name: "network",
        troubles: &[T::Cut, T::HalfOpen, T::Stall, T::Throttle, T::Drain, T::Call],
        every: ms(1500),
        dials: lossy,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "handlers",
        troubles: &[T::Cut, T::Call, T::Call, T::Operate, T::Operate, T::Reload],
        every: ms(1200),
        dials: thrown,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "operations",
        troubles: &[T::Crash, T::CrashLosing, T::Trim, T::Cut, T::Operate, T::Pause, T::Drain],
        every: ms(1500),
        dials: stored,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "logs",
        troubles: &[T::Trim, T::Compact, T::Recreate, T::End, T::CrashLosing, T::Cut, T::Sick, T::Reload],
        every: ms(1200),
        dials: stored,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "clocks",
        troubles: &[T::Freeze, T::Drift, T::Jump, T::ServerDrift, T::Crash, T::Cut, T::Pause],
        every: ms(1500),
        dials: timed,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "pages",
        troubles: &[T::Reload, T::Reload, T::Duplicate, T::Call, T::Refuse, T::Cut, T::Freeze],
        every: ms(900),
        dials: tokens,
        extreme: 0,
        swarm: false,
    },
    Profile {
        name: "bounds",
        troubles: &[T::Cut, T::Stall, T::Flood, T::Flood, T::Publish, T::Call, T::CrashLosing, T::Operate],
        every: ms(1500),
        dials: crowded,
        extreme: 100,
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
            T::Publish,
            T::Flood,
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
        extreme: 10,
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

fn crowded(rng: &mut Rng) -> Vec<Dial> {
    let mut dials = lossy(rng);
    dials.extend([Dial::Drop(rng.up_to(50) as u32), Dial::Throws(rng.up_to(40) as u32)]);
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
        let is_extreme = percent(&mut rng, self.extreme);
        let shape = Shape::draw(&mut rng, is_extreme);
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
        let (delivery, limits) = shape.server(&mut rng);
        let streams = (0..shape.streams).map(|number| format!("s{number}")).collect();
        Plan { streams, producers: shape.producers, delivery, limits, span, acts }
    }

    fn trouble(&self, shape: &Shape, span: Duration, rng: &mut Rng, acts: &mut Vec<Act>) {
        let kinds: Vec<T> = self.troubles.iter().copied().filter(|_| !self.swarm || percent(rng, 50)).collect();
        if kinds.is_empty() {
            return;
        }
        let (mut at, mut tabs) = (ms(rng.up_to(self.every.as_millis() * 2)), shape.tabs);
        let mut flood = FIRST_OF_FLOODS;
        while at < span {
            let kind = kinds[rng.up_to(kinds.len() as u64 - 1) as usize];
            let mut what = shape.particulars(kind, rng);
            match &mut what {
                What::Duplicate { tab, .. } => {
                    *tab = tabs;
                    tabs += 1;
                }
                What::Produce(Production { first, count, .. }) => {
                    *first = flood;
                    flood += *count as u64;
                }
                _ => {}
            }
            acts.push(Act { place: 0, at, what });
            at = ms(at.as_millis() + 1 + rng.up_to(self.every.as_millis() * 2));
        }
    }
}
