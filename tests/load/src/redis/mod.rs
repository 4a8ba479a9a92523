//! Several servers on one Redis: what they append and deliver, at what cost to whom, how long an event is on its way from
//! one server's producer to another's consumer, and what each connection, stream and event takes.

mod fleet;
mod follower;
mod held;
mod latency;
mod throughput;

use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{path::Path, time::Duration};

use crate::Outcome;

/// How long anything may take besides what is measured.
const WITHIN: Duration = Duration::from_secs(120);

#[derive(Args)]
pub struct Options {
    /// How many servers share the Redis; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    servers: Vec<usize>,
    /// How many streams are appended to in turn, each with a consumer; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 10_000, 100_000])]
    streams: Vec<usize>,
    /// Events of one append; each number is measured in each run
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    batch: Vec<usize>,
    /// How long events are appended for each figure, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Events a second for the latency
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rate: u64,
    /// Connections, each with a stream of its own, that are held to see what each takes
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    held: u32,
    /// Bytes of an event's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bytes: u32,
    /// When Redis syncs its file
    #[arg(long, value_enum, default_value_t = Fsync::Always)]
    fsync: Fsync,
}

/// Redis's `appendfsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before it answers.
    Always,
    /// Once a second.
    Everysec,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    redis: String,
    fsync: Fsync,
    bytes: u32,
    seconds: u64,
    throughput: Vec<throughput::Run>,
    latency: latency::Found,
    held: held::Found,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    let redis = fleet::Redis::version()?;
    println!("Redis {redis}, appendfsync {:?}", options.fsync);
    let latency = latency::measure(program, &options).await?;
    let held = held::measure(program, &options).await?;
    let mut runs = Vec::new();
    println!("{}", throughput::HEAD);
    for &streams in &options.streams {
        for &servers in &options.servers {
            runs.extend(throughput::measure(program, &options, servers, streams).await?);
        }
    }
    let Options { fsync, bytes, seconds, .. } = options;
    Ok(Found { redis, fsync, bytes, seconds, throughput: runs, latency, held })
}
