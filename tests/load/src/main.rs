//! `ackwire-load connections|slow|deliver|append|streams|redis|compare`: what a server bears, or several. It starts them itself, on
//! this machine alone, says how far it is, stops by itself, and writes a report. `npm run load -- …` builds both and runs it.

mod append;
mod compare;
mod connections;
mod consumer;
mod cores;
mod deliver;
mod producer;
mod progress;
mod reader;
mod redis;
mod server;
mod slow;
mod streams;
mod usage;

use clap::{Parser, Subcommand};
use serde::Serialize;
use std::{error::Error, fs, path::PathBuf, process::ExitCode};

/// What went wrong, in a sentence.
pub type Failure = Box<dyn Error + Send + Sync>;
/// What came of it.
pub type Outcome<T> = Result<T, Failure>;

/// What a server bears.
#[derive(Parser)]
struct Arguments {
    /// The server's program
    #[arg(long, global = true, env = "ACKWIRE_SERVER", default_value = "target/release/ackwire-server")]
    server: PathBuf,
    /// Where the report goes, as JSON; without it, `target/load/<command>.json`
    #[arg(long, global = true)]
    report: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Many connections held at a time: alive through two heartbeats, each then receives an event; the memory of each
    Connections(connections::Options),
    /// One consumer that does not read, among many that do: what the others notice
    Slow(slow::Options),
    /// Events delivered a second, and the processor time of each: live and from a backlog, to few and many connections
    Deliver(deliver::Options),
    /// Events made durable a second, by few and many producers
    Append(append::Options),
    /// What an event costs as the log grows from one stream to a million
    Streams(streams::Options),
    /// Several servers on one Redis: events a second and their cost, latency, what connections, streams and events take
    Redis(redis::Options),
    /// Events delivered a second, side by side with a bare `ws` server and socket.io's
    Compare(compare::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { server, report, command } = Arguments::parse();
    let done = match command {
        Command::Connections(options) => {
            let report = report.unwrap_or_else(|| "target/load/connections.json".into());
            connections::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Slow(options) => {
            let report = report.unwrap_or_else(|| "target/load/slow.json".into());
            slow::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Deliver(options) => {
            let report = report.unwrap_or_else(|| "target/load/deliver.json".into());
            deliver::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Append(options) => {
            let report = report.unwrap_or_else(|| "target/load/append.json".into());
            append::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Streams(options) => {
            let report = report.unwrap_or_else(|| "target/load/streams.json".into());
            streams::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Redis(options) => {
            let report = report.unwrap_or_else(|| "target/load/redis.json".into());
            redis::run(&server, options).await.and_then(|found| write(&found, report))
        }
        Command::Compare(options) => {
            let report = report.unwrap_or_else(|| "target/load/compare.json".into());
            compare::run(&server, options).await.and_then(|found| write(&found, report))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(found: &impl Serialize, path: PathBuf) -> Outcome<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, serde_json::to_string_pretty(found)? + "\n")?;
    println!("Report: {}", path.display());
    Ok(())
}
