//! A plan for the simulation, out of bytes: who comes, what is produced, what goes wrong when.

use ackwire::base::{Backoff, Duration};
use ackwire::deliver::{Config, Limits};
use ackwire::receive::SubscribeOptions;
use ackwire::wire::{StreamName, Window};
use ackwire_simulation::{Act, Call, ClockStep, Dial, Open, Operation, Plan, Production, What};
use arbitrary::{Result, Unstructured};

use crate::words;

/// Bounds of a story, so that none takes long.
const MAX_ACTS: usize = 120;
const MAX_STREAMS: usize = 3;
const MAX_TABS: usize = 4;
/// Longest time between two acts, in milliseconds.
const MAX_GAP: u64 = 2000;

/// Reads a plan.
pub fn read(choices: &mut Unstructured) -> Result<Plan> {
    let shape = Shape {
        streams: choices.int_in_range(1..=MAX_STREAMS)?,
        tabs: choices.int_in_range(1..=MAX_TABS)?,
        producers: choices.int_in_range(1..=3)?,
    };
    let (delivery, limits) = server(choices)?;
    let mut whats = Vec::new();
    for tab in 0..shape.tabs {
        whats.push((0, What::Open(Box::new(shape.open(tab, choices)?))));
    }
    let mut counts = Counts { tabs: shape.tabs, produced: 0 };
    while !choices.is_empty() && whats.len() < MAX_ACTS {
        let gap =
            if choices.ratio(1, 3)? { choices.int_in_range(0..=MAX_GAP)? } else { choices.int_in_range(0..=100)? };
        whats.push((gap, shape.what(choices, &mut counts)?));
    }
    let mut at = 0;
    let act = |(place, (gap, what))| {
        at += gap;
        Act { place, at: Duration::from_millis(at), what }
    };
    let acts: Vec<Act> = whats.into_iter().enumerate().map(act).collect();
    let span = Duration::from_millis(at + MAX_GAP);
    let streams = (0..shape.streams).map(|number| format!("s{number}")).collect();
    Ok(Plan { streams, producers: shape.producers, delivery, limits, span, acts })
}

/// How many there are of each.
struct Shape {
    streams: usize,
    tabs: usize,
    producers: usize,
}

/// What is numbered through.
struct Counts {
    tabs: usize,
    produced: u64,
}

impl Shape {
    fn open(&self, tab: usize, choices: &mut Unstructured) -> Result<Open> {
        let mut subscribe = Vec::new();
        for stream in 0..self.streams {
            if stream == 0 || choices.ratio(3, 4)? {
                subscribe.push(options(stream, choices)?);
            }
        }
        Ok(Open {
            tab,
            subscribe,
            has_token: choices.ratio(1, 4)?,
            concurrency: choices.int_in_range(1..=4)?,
            max_outbox: choices.int_in_range(1..=20)?,
            dedupe_window: 4096,
        })
    }

    fn what(&self, choices: &mut Unstructured, counts: &mut Counts) -> Result<What> {
        let tab = choices.int_in_range(0..=counts.tabs - 1)?;
        let stream = choices.int_in_range(0..=self.streams - 1)?;
        Ok(match choices.int_in_range(0..=31)? {
            0 => What::Cut { tab },
            1 => What::HalfOpen { tab },
            2 => What::Stall { tab, span: span(choices, 20_000)? },
            3 => What::Throttle { tab, rate: choices.int_in_range(200..=20_000)?, span: span(choices, 5000)? },
            4 => What::Freeze { tab, span: span(choices, 90_000)?, jump: span(choices, 3_600_000)? },
            5 => What::Drift { tab, rate: choices.int_in_range(900..=1100)? },
            6 => What::Reload { tab, forget: choices.ratio(1, 4)? },
            7 => {
                counts.tabs += 1;
                What::Duplicate { tab: counts.tabs - 1, of: tab }
            }
            8 | 9 => What::Call { tab, stream, call: *choices.choose(&Call::ALL)? },
            10 => What::Resubscribe { tab, stream },
            11 => What::Crash { down: span(choices, 3000)?, clock: clock(choices)? },
            12 => What::CrashLosing { down: span(choices, 3000)?, lost: choices.int_in_range(1..=10)? },
            13 => What::Pause { span: span(choices, 5000)? },
            14 => What::Jump { by: span(choices, 120_000)? },
            15 => What::ServerDrift { rate: choices.int_in_range(900..=1100)? },
            16 => What::Drain { span: span(choices, 3000)? },
            17 => What::Refuse,
            18 => What::Sick { span: span(choices, 3000)? },
            19 => What::Trim { stream, keep: choices.int_in_range(0..=30)? },
            20 => What::Compact { stream, one_in: choices.int_in_range(2..=8)?, pick: choices.arbitrary()? },
            21 => What::Recreate { stream },
            22 => What::End { stream },
            23 => What::Operate { tab, stream, pick: choices.arbitrary()?, operation: operation(choices)? },
            24 | 25 => What::Set(dial(choices)?),
            _ => What::Produce(self.production(stream, choices, counts)?),
        })
    }

    fn production(&self, stream: usize, choices: &mut Unstructured, counts: &mut Counts) -> Result<Production> {
        let count = choices.int_in_range(1..=20)?;
        let first = counts.produced;
        counts.produced += count as u64;
        Ok(Production {
            producer: choices.int_in_range(0..=self.producers - 1)?,
            stream,
            count,
            first,
            padding: if choices.ratio(1, 8)? { choices.int_in_range(0..=3000)? } else { 0 },
            critical: choices.ratio(1, 8)?,
            deadline_ms: if choices.ratio(1, 16)? { Some(choices.int_in_range(100..=2000)?) } else { None },
            retries: if choices.ratio(1, 16)? { Some(choices.int_in_range(0..=5)?) } else { None },
        })
    }
}

fn options(stream: usize, choices: &mut Unstructured) -> Result<SubscribeOptions> {
    let bytes = if choices.ratio(1, 4)? { choices.int_in_range(Window::MIN_BYTES..=5000)? } else { 65_536 };
    // A position of its own belongs to an application that stores it; the simulated ones resume.
    let from = match words::from(choices)? {
        ackwire::wire::From::Position(_) => ackwire::wire::From::Resume,
        from => from,
    };
    Ok(SubscribeOptions {
        from,
        window: Window::new(choices.int_in_range(1..=60)?, bytes).expect("within the bounds"),
        filter: words::filter(choices)?,
        ..SubscribeOptions::new(StreamName::new(&format!("s{stream}")).expect("a stream's name"))
    })
}

/// Small limits are reached more often.
fn server(choices: &mut Unstructured) -> Result<(Config, Limits)> {
    let delivery = Config {
        deadline: Duration::from_secs(*choices.choose(&[1, 3, 10, 30])?),
        retries: choices.int_in_range(0..=5)?,
        retry_backoff: Backoff { base: Duration::from_millis(200), max: Duration::from_secs(5) },
        ask_for_retries: choices.ratio(1, 8)?,
        frame_events: choices.int_in_range(1..=16)?,
        frame_bytes: *choices.choose(&[200, 1000, Config::default().frame_bytes])?,
        ..Config::default()
    };
    let limits = Limits {
        heartbeat: Duration::from_secs(*choices.choose(&[2, 10, 25])?),
        publishes_per_second: *choices.choose(&[1, 10, 200])?,
        publish_burst: *choices.choose(&[1, 4, 400])?,
        ..Limits::default()
    };
    Ok((delivery, limits))
}

fn dial(choices: &mut Unstructured) -> Result<Dial> {
    let percent: u32 = choices.int_in_range(0..=40)?;
    Ok(match choices.int_in_range(0..=15)? {
        0 => Dial::Latency(span(choices, 400)?),
        1 => Dial::Drop(percent),
        2 => Dial::Duplicate(percent),
        3 => Dial::Reorder(percent),
        4 => Dial::Throws(percent),
        5 => Dial::Hangs(percent / 10),
        6 => Dial::AtOnce(2 * percent),
        7 => Dial::Calls(percent / 4),
        8 => Dial::Slow(span(choices, 400)?),
        9 => Dial::Sparse(percent),
        10 => Dial::RequestLoss(percent),
        11 => Dial::Reading(span(choices, 60)?),
        12 => Dial::Saving(span(choices, 120)?),
        13 => Dial::BadTokens(percent),
        14 => Dial::TokenLife(Duration::from_millis(choices.int_in_range(500..=6500)?)),
        _ => Dial::BadTimers(percent),
    })
}

fn operation(choices: &mut Unstructured) -> Result<Operation> {
    let retry = choices.arbitrary()?;
    let all = [Operation::Confirm, Operation::Fail { retry }, Operation::Requeue, Operation::Discard];
    Ok(*choices.choose(&all)?)
}

fn clock(choices: &mut Unstructured) -> Result<ClockStep> {
    let step = span(choices, 60_000)?;
    Ok(*choices.choose(&[ClockStep::Right, ClockStep::Back(step), ClockStep::Ahead(step)])?)
}

fn span(choices: &mut Unstructured, most: u64) -> Result<Duration> {
    Ok(Duration::from_millis(choices.int_in_range(1..=most)?))
}
