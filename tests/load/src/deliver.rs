//! How many events a server delivers: to how many connections, one at a time or from a backlog, and at what cost.

use clap::{Args, ValueEnum};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde::Serialize;
use std::{path::Path, sync::Arc};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, timeout},
};

use crate::{
    Outcome,
    consumer::{Consumer, Way, source, subscription},
    cores,
    producer::{Producer, body},
    reader::{CONFIRMED, Counts, Reader, WINDOW},
    server::Server,
};

/// Connections that are being opened at a time.
const AT_A_TIME: usize = 64;
/// Producers of streams of their own.
const PRODUCERS: usize = 64;
/// Events of one append of a backlog.
const BATCH: usize = 1_000;
/// Longest backlog of a connection: with few of them it is the same again and again.
const MAX_BACKLOG: usize = 200_000;
/// How long the last event may be on its way.
const WITHIN: Duration = Duration::from_secs(120);

#[derive(Args)]
pub struct Options {
    /// How many connections; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000, 10_000])]
    connections: Vec<usize>,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Work::Live, Work::Backlog])]
    work: Vec<Work>,
    /// Which streams
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Streams::One, Streams::Each])]
    streams: Vec<Streams>,
    /// How long single events are appended, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Deliveries of a backlog, of all connections together
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    deliveries: u32,
    /// Bytes of an event's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bytes: u32,
    /// Runs of each kind, interleaved
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The server's log
    #[arg(long, default_value = "sqlite")]
    log: String,
    /// The server on one processor core, this client on another
    #[arg(long)]
    pin: bool,
}

impl Options {
    /// For one run with the server and this client on a core each.
    pub fn pinned(log: &str, seconds: u64, deliveries: u32, bytes: u32) -> Self {
        let (connections, work, streams) = (Vec::new(), Vec::new(), Vec::new());
        Self { connections, work, streams, seconds, deliveries, bytes, rounds: 1, log: log.into(), pin: true }
    }
}

/// One run, with one stream for everybody. Runs of different numbers have addresses of their own.
pub async fn to_all(program: &Path, options: &Options, number: usize, work: Work, connections: usize) -> Outcome<Run> {
    Plan { options, number, work, streams: Streams::One, connections }.run(program).await
}

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Single events as they are appended: the next one once all but the last are with everybody.
    Live,
    /// What was appended before anybody subscribed.
    Backlog,
}

/// What the connections subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Streams {
    /// All to the same.
    One,
    /// Each to one of its own.
    Each,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    bytes: u32,
    log: String,
    is_pinned: bool,
    runs: Vec<Run>,
}

/// One server, one kind of work. Every delivery was checked to be the next one of its stream, and is confirmed.
#[derive(Serialize)]
pub struct Run {
    work: Work,
    streams: Streams,
    connections: usize,
    pub deliveries: usize,
    appends: usize,
    /// From the first append, or subscription, to the last confirmation.
    seconds: f64,
    pub deliveries_per_second: f64,
    pub events_per_frame: f64,
    acks: usize,
    /// All processor time of the server in that time, appends included, over the deliveries; `null` where the system does
    /// not tell.
    pub cpu_micros_per_delivery: Option<f64>,
    /// The server's memory with everybody connected, and at the end, without what it had before.
    connected_kb_per_connection: f64,
    after_kb_per_connection: f64,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    if options.pin {
        cores::make_way()?;
    }
    println!("{HEAD}");
    let mut runs = Vec::new();
    for _ in 0..options.rounds {
        for (&work, &streams) in options.work.iter().flat_map(|work| options.streams.iter().map(move |it| (work, it))) {
            for &connections in &options.connections {
                let number = runs.len();
                let plan = Plan { options: &options, number, work, streams, connections };
                let found = plan.run(program).await?;
                println!("{}", found.line());
                runs.push(found);
            }
        }
    }
    Ok(Found { bytes: options.bytes, log: options.log, is_pinned: options.pin, runs })
}

const HEAD: &str = "work     streams  connections  deliveries  seconds  deliveries/s  events/frame  CPU µs/delivery  one core/s  KB/connection";

impl Run {
    fn line(&self) -> String {
        let cpu = self.cpu_micros_per_delivery;
        let shown = |number: Option<f64>, digits| number.map_or("-".into(), |number| format!("{number:.digits$}"));
        format!(
            "{:8} {:7}  {:11}  {:10}  {:7.2}  {:12.0}  {:12.1}  {:>15}  {:>10}  {:13.1}",
            format!("{:?}", self.work).to_lowercase(),
            format!("{:?}", self.streams).to_lowercase(),
            self.connections,
            self.deliveries,
            self.seconds,
            self.deliveries_per_second,
            self.events_per_frame,
            shown(cpu, 2),
            shown(cpu.map(|micros| 1e6 / micros), 0),
            self.connected_kb_per_connection,
        )
    }
}

/// One run.
struct Plan<'a> {
    options: &'a Options,
    number: usize,
    work: Work,
    streams: Streams,
    connections: usize,
}

impl Plan<'_> {
    async fn run(&self, program: &Path) -> Outcome<Run> {
        let flags = ["--log", &self.options.log, "--heartbeat", "10m"];
        let core = self.options.pin.then_some(cores::SERVER);
        let server = Server::start_on(core, program, self.connections, &flags).await?;
        let backlog = match self.work {
            Work::Live => 0,
            Work::Backlog => (self.options.deliveries as usize / self.connections).clamp(1, MAX_BACKLOG),
        };
        self.append_backlog(&server, backlog).await?;
        let before = server.resident_bytes().await?;
        let opening = stream::iter(0..self.connections).map(|index| self.open(&server, index));
        let mut consumers: Vec<Consumer> = opening.buffered(AT_A_TIME).try_collect().await?;
        let counts = Arc::new(Counts::default());
        let mut readers = JoinSet::new();
        if self.work == Work::Live {
            for (index, consumer) in consumers.iter_mut().enumerate() {
                self.subscribe(consumer, index).await?;
            }
        }
        let connected = server.resident_bytes().await?;
        let (begun, cpu_before) = (Instant::now(), server.cpu_seconds()?);
        for (index, mut consumer) in consumers.into_iter().enumerate() {
            let (counts, stream) = (counts.clone(), self.stream(index));
            let (is_subscribed, subscription) = (self.work == Work::Live, self.subscription(index));
            readers.spawn(async move {
                if !is_subscribed && let Err(error) = consumer.subscribe(subscription).await {
                    eprintln!("  a subscription failed: {error}");
                    counts.failed.add();
                }
                Reader { consumer, stream, counts }.run().await;
            });
        }
        let appends = match (self.work, self.streams) {
            (Work::Backlog, _) => 0,
            (Work::Live, Streams::One) => self.append_for_all(&server, &counts).await?,
            (Work::Live, Streams::Each) => self.append_for_each(&server).await?,
        };
        let deliveries = match (self.work, self.streams) {
            (Work::Backlog, _) => backlog * self.connections,
            (Work::Live, Streams::One) => appends * self.connections,
            (Work::Live, Streams::Each) => appends,
        };
        timeout(WITHIN, counts.reach(deliveries))
            .await
            .map_err(|_| format!("{} of {deliveries} deliveries within {} s", counts.events.get(), WITHIN.as_secs()))?;
        if counts.failed.get() > 0 {
            return Err(format!("{} connections failed; the first says why above", counts.failed.get()).into());
        }
        server.until_metric(CONFIRMED, |confirmed| confirmed == deliveries as u64).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = server.cpu_seconds()?.zip(cpu_before).map(|(after, before)| after - before);
        let after = server.resident_bytes().await?;
        let each = |bytes: u64| (bytes as f64 - before as f64) / 1024.0 / self.connections as f64;
        Ok(Run {
            work: self.work,
            streams: self.streams,
            connections: self.connections,
            deliveries,
            appends,
            seconds,
            deliveries_per_second: deliveries as f64 / seconds,
            events_per_frame: deliveries as f64 / counts.frames.get() as f64,
            acks: counts.acks.get(),
            cpu_micros_per_delivery: cpu.map(|seconds| seconds * 1e6 / deliveries as f64),
            connected_kb_per_connection: each(connected),
            after_kb_per_connection: each(after),
        })
    }

    async fn open(&self, server: &Server, index: usize) -> Outcome<Consumer> {
        let way = Way { from: source(self.number, index), ..Way::default() };
        Consumer::connect(&server.address, way, &format!("consumer-{index}"), &[]).await
    }

    async fn subscribe(&self, consumer: &mut Consumer, index: usize) -> Outcome<()> {
        consumer.subscribe(self.subscription(index)).await
    }

    fn subscription(&self, index: usize) -> serde_json::Value {
        subscription(&self.stream(index), WINDOW.0, WINDOW.1)
    }

    fn stream(&self, index: usize) -> String {
        match self.streams {
            Streams::One => "run:all".into(),
            Streams::Each => format!("run:{index}"),
        }
    }

    /// So many events for every stream.
    async fn append_backlog(&self, server: &Server, events: usize) -> Outcome<()> {
        let streams = if self.streams == Streams::One { 1 } else { self.connections };
        try_join_all((0..streams.min(PRODUCERS)).map(async |first| {
            let mut producer = Producer::connect(&server.address).await?;
            for index in (first..streams).step_by(PRODUCERS) {
                for begin in (0..events).step_by(BATCH) {
                    let body = body(BATCH.min(events - begin), self.options.bytes as usize);
                    producer.append(&self.stream(index), body).await?;
                }
            }
            Outcome::Ok(())
        }))
        .await
        .map(drop)
    }

    /// One event after another: the next one once all before the last are with everybody. Returns how many.
    async fn append_for_all(&self, server: &Server, counts: &Counts) -> Outcome<usize> {
        let mut producer = Producer::connect(&server.address).await?;
        let (body, end) = (body(1, self.options.bytes as usize), Instant::now() + self.seconds());
        let mut appended = 0;
        while Instant::now() < end && counts.failed.get() == 0 {
            producer.append(&self.stream(0), body.clone()).await?;
            appended += 1;
            timeout(WITHIN, counts.reach((appended - 1) * self.connections)).await?;
        }
        Ok(appended)
    }

    /// Single events on every stream in turn, by several producers. Returns how many.
    async fn append_for_each(&self, server: &Server) -> Outcome<usize> {
        let (body, end) = (body(1, self.options.bytes as usize), Instant::now() + self.seconds());
        let producers = (0..self.connections.min(PRODUCERS)).map(async |first| {
            let mut producer = Producer::connect(&server.address).await?;
            let mut appended = 0;
            for index in (first..self.connections).step_by(PRODUCERS).cycle() {
                if Instant::now() >= end {
                    break;
                }
                producer.append(&self.stream(index), body.clone()).await?;
                appended += 1;
            }
            Outcome::Ok(appended)
        });
        Ok(try_join_all(producers).await?.into_iter().sum())
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.options.seconds)
    }
}
