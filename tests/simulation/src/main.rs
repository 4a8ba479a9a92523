//! `simulate --seeds A..B`: runs seeds on all cores until one breaks the promise.

use ackwire_simulation::{Profile, Report, Story, attempt, explain, trace};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: simulate --seeds A..B [--profile NAME|all] [--jobs N] [--trace] [--keep 3,7,12] [--as-is]
  --profile  what goes wrong: flaky, network, handlers, operations, logs, clocks, pages, bounds, everything, or each in turn
             (`all`, the default)
  --jobs     how many threads; as many as there are cores by default
  --trace    print what happens; one seed, one profile
  --keep     leave out all acts of the seed's story but these, as a failure prints them
  --as-is    name a failing seed without looking for the shortest way to it";

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

struct Arguments {
    seeds: Range<u64>,
    profile: Option<&'static Profile>,
    jobs: usize,
    trace: bool,
    as_is: bool,
    keep: Option<Vec<usize>>,
}

impl Arguments {
    fn story(&self, seed: u64) -> Story {
        let all = Profile::all();
        let profile = self.profile.unwrap_or(&all[(seed % all.len() as u64) as usize]);
        Story { keep: self.keep.clone(), ..Story::new(seed, profile) }
    }
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.trace {
        let story = arguments.story(arguments.seeds.start);
        trace(&story).iter().for_each(|line| println!("{line}"));
        return if attempt(&story).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let next = AtomicU64::new(arguments.seeds.start);
    let stop = AtomicBool::new(false);
    let broken = Mutex::new(None);
    let (done, reports) = mpsc::channel();
    let total = thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            let done = done.clone();
            scope.spawn(|| work(&arguments, &next, &stop, &broken, done));
        }
        drop(done);
        watch(&arguments, &reports)
    });
    match broken.into_inner().expect("nobody panics with it") {
        Some(told) => {
            eprintln!("{told}");
            ExitCode::FAILURE
        }
        None => {
            let (seeds, Report { acts, began, applied, lost, resets, published }) = total;
            println!(
                "{seeds} seeds, no violation: {acts} acts, {began} handlers begun, {applied} events applied, \
                 {lost} ranges declared lost, {resets} resets, {published} publishes answered"
            );
            ExitCode::SUCCESS
        }
    }
}

/// Runs one seed after another, until there are none or one has broken the promise.
fn work(
    arguments: &Arguments,
    next: &AtomicU64,
    stop: &AtomicBool,
    broken: &Mutex<Option<String>>,
    done: Sender<Report>,
) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.seeds.end {
            return;
        }
        let story = arguments.story(seed);
        match attempt(&story) {
            Ok(report) => drop(done.send(report)),
            Err(violation) => {
                if !stop.swap(true, Ordering::Relaxed) {
                    let told = if arguments.as_is {
                        format!("seed {seed} of `{}` broke the promise: {}", story.profile.name, violation.message)
                    } else {
                        eprintln!("seed {seed} broke the promise; looking for the shortest way to it");
                        explain(&story, &violation)
                    };
                    broken.lock().expect("nobody panics with it").get_or_insert(told);
                }
            }
        }
    }
}

/// Adds up, and tells how far it is.
#[allow(clippy::disallowed_methods, reason = "the one place here that reads a clock: how long it has taken")]
fn watch(arguments: &Arguments, reports: &mpsc::Receiver<Report>) -> (u64, Report) {
    let all = arguments.seeds.end - arguments.seeds.start;
    let (mut seeds, mut total) = (0, Report::default());
    let start = Instant::now();
    let mut told = start;
    loop {
        match reports.recv_timeout(PROGRESS_EVERY) {
            Ok(report) => {
                seeds += 1;
                total.add(&report);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return (seeds, total),
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let elapsed = start.elapsed().as_secs_f64();
            let rate = f64::from(u32::try_from(seeds).unwrap_or(u32::MAX)) / elapsed;
            eprintln!(
                "{seeds} of {all} seeds in {elapsed:.0} s, {rate:.0} a second; {} acts, {} events applied, {} lost, {} resets",
                total.acts, total.applied, total.lost, total.resets
            );
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    if words.next().as_deref() != Some("simulate") {
        return Err("the one command is `simulate`".into());
    }
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut arguments = Arguments { seeds: 0..100, profile: None, jobs, trace: false, as_is: false, keep: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--seeds" => {
                let value = value();
                let range = value.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
                arguments.seeds =
                    range.filter(|range| !range.is_empty()).ok_or("--seeds is a range A..B with A < B")?;
            }
            "--profile" => {
                let value = value();
                if value != "all" {
                    let named = Profile::named(&value).ok_or_else(|| format!("--profile: there is no `{value}`"))?;
                    arguments.profile = Some(named);
                }
            }
            "--jobs" => {
                let jobs = value().parse().ok().filter(|jobs| *jobs > 0);
                arguments.jobs = jobs.ok_or("--jobs is a number from 1")?;
            }
            "--keep" => {
                let places = value().split(',').map(|place| place.parse().ok()).collect::<Option<_>>();
                arguments.keep = Some(places.ok_or("--keep is a list of numbers, 3,7,12")?);
            }
            "--trace" => arguments.trace = true,
            "--as-is" => arguments.as_is = true,
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    let is_one = arguments.seeds.end - arguments.seeds.start == 1;
    if (arguments.trace || arguments.keep.is_some()) && !is_one {
        return Err("--trace and --keep are about one seed: --seeds N..N+1".into());
    }
    Ok(arguments)
}
