//! What a producer was told survives the server's sudden end: a loop of kills at random moments, and a look at what the
//! server has the disk do before it answers.

#[path = "../support/mod.rs"]
mod support;

mod ledger;
mod producer;
mod syncs;

use ackwire::base::Rng;
use std::{env, str::FromStr, time::Duration};
use support::program::{Running, program};
use tempfile::TempDir;

use ledger::Ledger;
use producer::{Producer, Progress};

const PRODUCERS: u64 = 8;
/// A few with every run of the tests; `npm run crash-loop` has more.
const KILLS: u32 = 20;
/// One of so many kills comes while the server starts, the others while it takes appends.
const AT_START: u64 = 4;
/// Longest time from starting the program to its kill.
const MAX_START: Duration = Duration::from_millis(150);
/// Most answers of one life before the kill, and the longest time from the last of them to it.
const MAX_ANSWERS: u64 = 80;
const MAX_AFTER: Duration = Duration::from_millis(8);
/// After so many kills the whole log is read, not only what is new.
const READ_ALL: u32 = 50;

/// [AW-SEQ], [AW-EPOCH], [AW-PUB-1]: every answered event is there, where its producer was told, in order and once; what was
/// not answered is there or not, all of its batch or nothing, and one event after it was sent again.
///
/// `CRASH_KILLS` and `CRASH_SEED` set how many kills and which: the same seed draws the same plan, and the machine's own
/// timing decides what it meets.
#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let (kills, seed) = (setting("CRASH_KILLS", KILLS), setting("CRASH_SEED", rand::random::<u32>()));
    println!("{kills} kills with seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(seed.into());
    let mut producers: Vec<Producer> = (0..PRODUCERS).map(|name| Producer::new(name, rng.next_u64())).collect();
    let mut ledger = Ledger::default();
    let mut at_start = 0;
    for kill in 1..=kills {
        if rng.up_to(AT_START - 1) == 0 {
            die_at_start(&folder, &mut rng).await;
            at_start += 1;
        } else {
            let server = serve(&folder);
            ledger.read(&server.url, kill.is_multiple_of(READ_ALL)).await;
            ledger.check(&producers);
            producers = die_at_work(server, producers, &mut rng).await;
        }
        if kill.is_multiple_of(READ_ALL) {
            println!("{kill} of {kills} kills, {ledger}");
        }
    }
    let server = serve(&folder);
    ledger.read(&server.url, true).await;
    ledger.check(&producers);
    producers = repeat_what_was_not_answered(&server, producers).await;
    ledger.read(&server.url, true).await;
    ledger.check(&producers);
    drop(server);
    ledger::check_integrity(&folder.path().join("data/ackwire.db"));
    println!("{kills} kills ({at_start} while the server started), {ledger}");
}

fn serve(folder: &TempDir) -> Running {
    Running::start(program(&["--dev", "--port", "0"], folder))
}

/// The random moment is the point here: nothing is waited for.
async fn moment(rng: &mut Rng, most: Duration) {
    tokio::time::sleep(Duration::from_micros(rng.up_to(most.as_micros() as u64))).await;
}

async fn die_at_start(folder: &TempDir, rng: &mut Rng) {
    let mut child = program(&["--dev", "--port", "0"], folder).spawn().unwrap();
    moment(rng, MAX_START).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn die_at_work(mut server: Running, producers: Vec<Producer>, rng: &mut Rng) -> Vec<Producer> {
    let progress = Progress::new(rng.up_to(MAX_ANSWERS));
    let working: Vec<_> = producers
        .into_iter()
        .map(|producer| tokio::spawn(producer.work(server.url.clone(), progress.clone())))
        .collect();
    progress.enough().await;
    moment(rng, MAX_AFTER).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    join(working).await
}

async fn repeat_what_was_not_answered(server: &Running, producers: Vec<Producer>) -> Vec<Producer> {
    let repeating = producers.into_iter().map(|producer| tokio::spawn(producer.repeat(server.url.clone()))).collect();
    join(repeating).await
}

async fn join(working: Vec<tokio::task::JoinHandle<Producer>>) -> Vec<Producer> {
    let mut producers = Vec::new();
    for producer in working {
        producers.push(producer.await.unwrap());
    }
    producers
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}
