//! How many events a server makes durable in a second, by how many producers.

use clap::Args;
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::path::Path;
use tokio::time::{Duration, Instant};

use crate::{
    Outcome, cores,
    producer::{Producer, body},
    server::Server,
};

#[derive(Args)]
pub struct Options {
    /// How many producers at a time, each with one append under way; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 500])]
    producers: Vec<usize>,
    /// Events of one append
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    batch: Vec<usize>,
    /// How long each run is, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Bytes of an event's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bytes: u32,
    /// Runs of each kind, interleaved
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The server on one processor core, this client on another
    #[arg(long)]
    pin: bool,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    bytes: u32,
    is_pinned: bool,
    runs: Vec<Run>,
}

/// One server. Every append was answered, and so is synced; each producer has a stream of its own, whose seqs were
/// checked to follow on each other.
#[derive(Serialize)]
struct Run {
    producers: usize,
    batch: usize,
    events: u64,
    seconds: f64,
    events_per_second: f64,
    /// From the request to its answer, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    /// All processor time of the server over the events; `null` where the system does not tell.
    cpu_micros_per_event: Option<f64>,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    if options.pin {
        cores::make_way()?;
    }
    println!("producers  batch  events/s  p50 ms  p99 ms  CPU µs/event  one core/s");
    let mut runs = Vec::new();
    for _ in 0..options.rounds {
        for (&batch, &producers) in options.batch.iter().flat_map(|it| options.producers.iter().map(move |by| (it, by)))
        {
            let found = measure(program, &options, producers, batch).await?;
            println!("{}", found.line());
            runs.push(found);
        }
    }
    Ok(Found { bytes: options.bytes, is_pinned: options.pin, runs })
}

async fn measure(program: &Path, options: &Options, producers: usize, batch: usize) -> Outcome<Run> {
    let core = options.pin.then_some(cores::SERVER);
    // All producers have one address.
    let most = producers.to_string();
    let flags = ["--max-batch-events", "100000", "--max-http-connections-per-peer", &most];
    let server = Server::start_on(core, program, producers, &flags).await?;
    let body = body(batch, options.bytes as usize);
    let connecting = (0..producers).map(|_| Producer::connect(&server.address));
    let connected = try_join_all(connecting).await?;
    let (begun, cpu_before) = (Instant::now(), server.cpu_seconds()?);
    let end = begun + Duration::from_secs(options.seconds);
    let appending = connected.into_iter().enumerate().map(|(index, mut producer)| {
        let body = body.clone();
        tokio::spawn(async move {
            let (stream, mut last, mut micros) = (format!("run:{index}"), 0, Histogram::<u64>::new(3)?);
            while Instant::now() < end {
                let asked = Instant::now();
                let seq = producer.append(&stream, body.clone()).await?;
                micros.record(asked.elapsed().as_micros() as u64)?;
                if seq != last + batch as u64 {
                    return Err(format!("{batch} events after {last} end at {seq}").into());
                }
                last = seq;
            }
            Outcome::Ok((last, micros))
        })
    });
    let (mut events, mut micros) = (0, Histogram::<u64>::new(3)?);
    for appended in try_join_all(appending).await? {
        let (last, of_one) = appended?;
        events += last;
        micros.add(of_one)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()?.zip(cpu_before).map(|(after, before)| after - before);
    let ms = |quantile| micros.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Run {
        producers,
        batch,
        events,
        seconds,
        events_per_second: events as f64 / seconds,
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        cpu_micros_per_event: cpu.map(|seconds| seconds * 1e6 / events as f64),
    })
}

impl Run {
    fn line(&self) -> String {
        let Self { producers, batch, events_per_second, p50_ms, p99_ms, cpu_micros_per_event: cpu, .. } = self;
        let shown = |number: Option<f64>, digits| number.map_or("-".into(), |number| format!("{number:.digits$}"));
        let (cpu, capacity) = (shown(*cpu, 2), shown(cpu.map(|micros| 1e6 / micros), 0));
        format!(
            "{producers:9}  {batch:5}  {events_per_second:8.0}  {p50_ms:6.2}  {p99_ms:6.2}  {cpu:>12}  {capacity:>10}"
        )
    }
}
