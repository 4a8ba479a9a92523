//! A fixed number of seeds of each profile, so that every change meets them. More: the `simulate` command.

use ackwire_simulation::{Profile, simulate};

/// Each test covers the seeds of one profile, so that a failure names it; the seed is in the panic's output.
fn run(name: &str, seeds: u64) {
    let profile = Profile::all().into_iter().find(|profile| profile.name == name).expect("a profile");
    for seed in 0..seeds {
        println!("seed {seed}: replay with `simulate --seeds {seed}..{} --profile {name} --trace`", seed + 1);
        let report = simulate(seed, &profile, false);
        assert!(report.applied > 0, "seed {seed} applied nothing");
    }
}

#[test]
fn flaky() {
    run("flaky", 300);
}

#[test]
fn fanout() {
    run("fanout", 300);
}

#[test]
fn handlers() {
    run("handlers", 600);
}

#[test]
fn operations() {
    run("operations", 300);
}

#[test]
fn everything() {
    run("everything", 600);
}
