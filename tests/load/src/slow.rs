//! One consumer that does not read, among many that do: do they wait for it?

use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    Outcome,
    consumer::{Consumer, Way, subscription, text},
    progress::Count,
    server::Server,
};

/// What everybody receives.
const STREAM: &str = "run:shared";
/// What fills the slow one's socket besides.
const BALLAST: &str = "run:ballast";
/// Events of the ballast, and bytes of each: more than sockets hold.
const BALLAST_EVENTS: usize = 400;
const BALLAST_BYTES: usize = 64 << 10;
/// How long the last event may be on its way.
const WITHIN: Duration = Duration::from_secs(60);
/// Frames that wait for slow sockets.
const WAITING: &str = "ackwire_websocket_frames_waiting";

#[derive(Args)]
pub struct Options {
    /// How many consumers read the stream, the slow one included
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    consumers: u32,
    /// Events a second
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rate: u64,
    /// How long each part of a round is, in seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Rounds, each without and with the slow one
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

/// The report. Latencies are from before the append to the receipt, of every event at every quick consumer.
#[derive(Serialize)]
pub struct Found {
    consumers: usize,
    events_per_second: u64,
    seconds: u64,
    rounds: Vec<Round>,
}

/// Side by side.
#[derive(Serialize)]
struct Round {
    without: Latencies,
    with: Latencies,
}

/// In milliseconds.
#[derive(Serialize)]
struct Latencies {
    deliveries: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// Of all quick consumers.
struct Counts {
    epoch: Instant,
    received: Count,
    failed: Count,
    micros: Mutex<Histogram<u64>>,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    let Options { consumers, rate, seconds, rounds } = options;
    let quick = consumers as usize - 1;
    let server = Server::start(program, consumers as usize + 1, &["--retain-events", "1000"]).await?;
    let counts = Arc::new(Counts {
        epoch: Instant::now(),
        received: Count::default(),
        failed: Count::default(),
        micros: Mutex::new(Histogram::new(3)?),
    });
    println!("{consumers} consumers of one stream, {rate} events/s");
    let mut held = JoinSet::new();
    for index in 0..quick {
        let subscriptions = [subscription(STREAM, 256, 1 << 20)];
        let consumer =
            Consumer::connect(&server.address, Way::default(), &format!("quick-{index}"), &subscriptions).await?;
        held.spawn(hold(consumer, counts.clone()));
    }
    let ballast = json!({ "type": "ballast", "data": "x".repeat(BALLAST_BYTES) });
    for _ in 0..BALLAST_EVENTS / 40 {
        server.append(BALLAST, &Value::Array(vec![ballast.clone(); 40])).await?;
    }
    let part = Part { server: &server, counts: &counts, quick, rate, seconds };
    let mut found = Vec::new();
    for number in 1..=rounds {
        let without = part.run().await?;
        let slow = block(&server, number).await?;
        let with = part.run().await?;
        // Until the very end it has read nothing, and frames wait for it.
        server.until_metric(WAITING, |frames| frames > 0).await?;
        drop(slow);
        server.until_metric(WAITING, |frames| frames == 0).await?;
        println!("  round {number}: without {}, with {}", without.shown(), with.shown());
        found.push(Round { without, with });
    }
    Ok(Found { consumers: consumers as usize, events_per_second: rate, seconds, rounds: found })
}

/// A consumer of both streams that reads nothing any more, once its socket is full and frames wait for it.
async fn block(server: &Server, round: u32) -> Outcome<Consumer> {
    let way = Way { receive_buffer: Some(4096), ..Way::default() };
    let subscriptions = [subscription(STREAM, 10_000, 64 << 20), subscription(BALLAST, 10_000, 64 << 20)];
    let slow = Consumer::connect(&server.address, way, &format!("slow-{round}"), &subscriptions).await?;
    server.until_metric(WAITING, |frames| frames > 0).await?;
    Ok(slow)
}

/// A time at a steady rate.
struct Part<'a> {
    server: &'a Server,
    counts: &'a Counts,
    quick: usize,
    rate: u64,
    seconds: u64,
}

impl Part<'_> {
    /// Over once every quick consumer has every event.
    async fn run(&self) -> Outcome<Latencies> {
        let events = self.rate * self.seconds;
        let before = self.counts.received.get();
        self.counts.micros.lock().await.reset();
        let mut ticks = interval(Duration::from_secs(1) / self.rate as u32);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..events {
            ticks.tick().await;
            let at = self.counts.epoch.elapsed().as_micros() as u64;
            let event = json!({ "type": "agent_thinking", "data": { "at": at, "text": "x".repeat(200) } });
            self.server.append(STREAM, &event).await?;
        }
        let wanted = before + events as usize * self.quick;
        self.counts.received.reach(wanted, "deliveries", WITHIN, &self.counts.failed).await?;
        Ok(Latencies::of(&*self.counts.micros.lock().await))
    }
}

impl Latencies {
    fn of(micros: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| ms(micros.value_at_quantile(quantile));
        Self { deliveries: micros.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(micros.max()) }
    }

    fn shown(&self) -> String {
        let Self { deliveries, p50, p90, p99, max } = self;
        format!("p50 {p50:.1} p90 {p90:.1} p99 {p99:.1} max {max:.1} ms ({deliveries} deliveries)")
    }
}

/// Reads and confirms at once, and notes how long each event took.
async fn hold(mut consumer: Consumer, counts: Arc<Counts>) {
    let live = async {
        loop {
            let frame = consumer.next().await?;
            match text(&frame["type"]) {
                "ping" => consumer.pong().await?,
                "events" => {
                    let now = counts.epoch.elapsed().as_micros() as u64;
                    consumer.ack(STREAM, &frame["upto"]).await?;
                    let mut micros = counts.micros.lock().await;
                    for event in frame["events"].as_array().into_iter().flatten() {
                        let at = event["data"]["at"].as_u64().ok_or("an event without its time")?;
                        micros.record(now.saturating_sub(at))?;
                        counts.received.add();
                    }
                }
                other => return Outcome::<()>::Err(format!("a frame of type `{other}`: {frame}").into()),
            }
        }
    };
    if let Err(error) = live.await {
        if counts.failed.get() == 0 {
            eprintln!("  a connection failed: {error}");
        }
        counts.failed.add();
    }
}
