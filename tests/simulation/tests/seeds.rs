//! A fixed number of seeds of each profile, so that every change meets them. More: the `simulate` command.

use ackwire_simulation::{Profile, Report, Story, attempt, explain};

/// Each test covers the seeds of one profile, so that a failure names it.
fn run(name: &str, seeds: u64) {
    let profile = Profile::named(name).expect("a profile");
    let mut total = Report::default();
    for seed in 0..seeds {
        let story = Story::new(seed, profile);
        match attempt(&story) {
            Ok(report) => total.add(&report),
            Err(violation) => panic!("{}", explain(&story, &violation)),
        }
    }
    assert!(total.applied > seeds && total.acts > seeds, "almost nothing happened: {total:?}");
}

#[test]
fn flaky() {
    run("flaky", 1000);
}

#[test]
fn network() {
    run("network", 1000);
}

#[test]
fn handlers() {
    run("handlers", 1000);
}

#[test]
fn operations() {
    run("operations", 1000);
}

#[test]
fn logs() {
    run("logs", 1000);
}

#[test]
fn clocks() {
    run("clocks", 1000);
}

#[test]
fn pages() {
    run("pages", 1000);
}

#[test]
fn bounds() {
    run("bounds", 500);
}

#[test]
fn everything() {
    run("everything", 2500);
}

#[test]
fn a_story_is_the_same_each_time_it_is_told() {
    let story = Story::new(4, Profile::named("everything").expect("a profile"));
    assert_eq!(ackwire_simulation::trace(&story), ackwire_simulation::trace(&story));
}
