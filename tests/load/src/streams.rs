//! What an event costs a server as the log's streams grow in number.

use clap::Args;
use futures_util::future::try_join_all;
use serde::Serialize;
use std::{ops::Range, path::Path, sync::Arc};
use tokio::time::{Duration, Instant, timeout};

use crate::{
    Outcome,
    consumer::{Consumer, Way, subscription},
    cores,
    producer::{Producer, body},
    reader::{CONFIRMED, Counts, Reader, WINDOW},
    server::Server,
};

/// Producers at a time, each with one append under way.
const PRODUCERS: usize = 64;
/// From one stream to the next that gets an event: a prime, so that all have their turn, and neighbours are far apart.
const STRIDE: usize = 982_451_653;
/// How long an event may be on its way.
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Options {
    /// How many streams the log has, from few to many; it grows from each number to the next
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 100_000, 1_000_000])]
    streams: Vec<usize>,
    /// How long each measurement is, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Bytes of an event's text
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bytes: u32,
    /// The server's log
    #[arg(long, default_value = "sqlite")]
    log: String,
    /// The server on one processor core, this client on another
    #[arg(long)]
    pin: bool,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    bytes: u32,
    log: String,
    is_pinned: bool,
    sizes: Vec<Size>,
}

/// With so many streams, of which each has an event at least. All that was appended is synced.
#[derive(Serialize)]
struct Size {
    streams: usize,
    /// Streams that were made in a second, each with its first event.
    made_per_second: f64,
    /// One stream is busy: an event is appended, delivered and confirmed once the one before it is delivered.
    busy: Cost,
    /// Single events on streams all over the log, by 64 producers.
    spread: Cost,
    /// The server's memory, and its files.
    memory_mb: f64,
    disk_bytes_per_stream: f64,
}

#[derive(Serialize)]
struct Cost {
    events_per_second: f64,
    /// All processor time of the server over the events; `null` where the system does not tell.
    cpu_micros: Option<f64>,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    if !options.streams.is_sorted() || options.streams.first().is_none_or(|fewest| *fewest == 0) {
        return Err("--streams are numbers from 1 on, from few to many".into());
    }
    if options.pin {
        cores::make_way()?;
    }
    let core = options.pin.then_some(cores::SERVER);
    // At each size one more is busy.
    let most = (options.streams.iter().max().unwrap_or(&0) + options.streams.len()).to_string();
    let flags = ["--log", &options.log, "--max-streams", &most];
    let server = Server::start_on(core, program, PRODUCERS + 2, &flags).await?;
    let load = Load { server, options };
    println!("streams  made/s  busy/s  CPU µs/event  spread/s  CPU µs/event  memory MB  disk B/stream");
    let (mut sizes, mut held) = (Vec::new(), 0);
    for &streams in &load.options.streams {
        let size = load.measure(held..streams).await?;
        println!("{}", size.line());
        sizes.push(size);
        held = streams;
    }
    let Options { bytes, log, pin, .. } = load.options;
    Ok(Found { bytes, log, is_pinned: pin, sizes })
}

struct Load {
    server: Server,
    options: Options,
}

impl Load {
    async fn measure(&self, missing: Range<usize>) -> Outcome<Size> {
        let (streams, made) = (missing.end, missing.len());
        let begun = Instant::now();
        self.append_by_all(|producer| missing.clone().skip(producer).step_by(PRODUCERS)).await?;
        let made_per_second = made as f64 / begun.elapsed().as_secs_f64();
        let busy = self.cost(self.keep_busy(format!("busy:{streams}"))).await?;
        let end = Instant::now() + Duration::from_secs(self.options.seconds);
        let all_over = |producer: usize| {
            let turns = (producer..).step_by(PRODUCERS).map(move |turn| turn.wrapping_mul(STRIDE) % streams);
            turns.take_while(move |_| Instant::now() < end)
        };
        let spread = self.cost(self.append_by_all(all_over)).await?;
        Ok(Size {
            streams,
            made_per_second,
            busy,
            spread,
            memory_mb: self.server.resident_bytes().await? as f64 / 1_048_576.0,
            disk_bytes_per_stream: self.server.disk_bytes()? as f64 / streams as f64,
        })
    }

    /// Single events by every producer, on the streams that it is given; resolves to how many.
    async fn append_by_all<I: Iterator<Item = usize>>(&self, streams: impl Fn(usize) -> I) -> Outcome<usize> {
        let body = body(1, self.options.bytes as usize);
        let producers = (0..PRODUCERS).map(async |index| {
            let mut producer = Producer::connect(&self.server.address).await?;
            let mut appended = 0;
            for stream in streams(index) {
                producer.append(&format!("run:{stream}"), body.clone()).await?;
                appended += 1;
            }
            Outcome::Ok(appended)
        });
        Ok(try_join_all(producers).await?.into_iter().sum())
    }

    /// Events on a new stream with one consumer; resolves to how many, once all are confirmed.
    async fn keep_busy(&self, stream: String) -> Outcome<usize> {
        let confirmed_before = self.server.metric(CONFIRMED).await.unwrap_or(0);
        let mut producer = Producer::connect(&self.server.address).await?;
        let mut consumer = Consumer::connect(&self.server.address, Way::default(), "consumer", &[]).await?;
        consumer.subscribe(subscription(&stream, WINDOW.0, WINDOW.1)).await?;
        let counts = Arc::new(Counts::default());
        let reader = Reader { consumer, stream: stream.clone(), counts: counts.clone() };
        let reading = tokio::spawn(reader.run());
        let (body, end) = (body(1, self.options.bytes as usize), Instant::now() + self.seconds());
        let mut appended = 0;
        while Instant::now() < end {
            producer.append(&stream, body.clone()).await?;
            appended += 1;
            timeout(WITHIN, counts.reach(appended)).await?;
            if counts.failed.get() > 0 {
                return Err("the consumer failed; it says why above".into());
            }
        }
        let all = confirmed_before + appended as u64;
        self.server.until_metric(CONFIRMED, |confirmed| confirmed >= all).await?;
        reading.abort();
        Ok(appended)
    }

    async fn cost(&self, work: impl Future<Output = Outcome<usize>>) -> Outcome<Cost> {
        let (begun, cpu_before) = (Instant::now(), self.server.cpu_seconds()?);
        let events = work.await? as f64;
        let cpu = self.server.cpu_seconds()?.zip(cpu_before).map(|(after, before)| after - before);
        Ok(Cost {
            events_per_second: events / begun.elapsed().as_secs_f64(),
            cpu_micros: cpu.map(|seconds| seconds * 1e6 / events),
        })
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.options.seconds)
    }
}

impl Size {
    fn line(&self) -> String {
        let shown = |cpu: Option<f64>| cpu.map_or("-".into(), |cpu| format!("{cpu:.1}"));
        format!(
            "{:7}  {:6.0}  {:6.0}  {:>12}  {:8.0}  {:>12}  {:9.1}  {:13.0}",
            self.streams,
            self.made_per_second,
            self.busy.events_per_second,
            shown(self.busy.cpu_micros),
            self.spread.events_per_second,
            shown(self.spread.cpu_micros),
            self.memory_mb,
            self.disk_bytes_per_stream,
        )
    }
}
