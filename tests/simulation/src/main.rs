//! `simulate --seeds A..B [--profile NAME] [--trace]`: runs seeds until one breaks the promise.

use ackwire_simulation::{Profile, Report, simulate};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

const USAGE: &str =
    "usage: simulate --seeds A..B [--profile flaky|fanout|handlers|operations|everything|all] [--trace]";

struct Arguments {
    seeds: Range<u64>,
    profiles: Vec<Profile>,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut total = Report::default();
    let all = arguments.seeds.end - arguments.seeds.start;
    for (count, seed) in arguments.seeds.enumerate() {
        let profile = &arguments.profiles[(seed % arguments.profiles.len() as u64) as usize];
        let told = catch_unwind(AssertUnwindSafe(|| simulate(seed, profile, arguments.trace)));
        let Ok(report) = told else {
            eprintln!("seed {seed} broke the promise. Replay it with:");
            eprintln!(
                "  cargo run --release -p ackwire-simulation -- simulate --seeds {seed}..{} --profile {} --trace",
                seed + 1,
                profile.name
            );
            return ExitCode::FAILURE;
        };
        total.applied += report.applied;
        total.began += report.began;
        total.lost += report.lost;
        total.resets += report.resets;
        if (count + 1) % 500 == 0 {
            eprintln!("{} of {all} seeds, {} events applied", count + 1, total.applied);
        }
    }
    println!("{all} seeds, no violation: {total:?}");
    ExitCode::SUCCESS
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    if words.next().as_deref() != Some("simulate") {
        return Err("the one command is `simulate`".into());
    }
    let mut arguments = Arguments { seeds: 0..100, profiles: Profile::all(), trace: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => {
                let value = words.next().unwrap_or_default();
                let range = value.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
                arguments.seeds =
                    range.filter(|range| !range.is_empty()).ok_or("--seeds is a range A..B with A < B")?;
            }
            "--profile" => {
                let value = words.next().unwrap_or_default();
                if value != "all" {
                    arguments.profiles.retain(|profile| profile.name == value);
                }
                if arguments.profiles.is_empty() {
                    return Err(format!("--profile: there is no `{value}`"));
                }
            }
            "--trace" => arguments.trace = true,
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(arguments)
}
