//! Events that are appended and delivered in a second, by how many servers and over how many streams.

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde::Serialize;
use std::{path::Path, sync::Arc};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant},
};

use super::{
    Options,
    fleet::Fleet,
    follower::{Follower, Tally, WINDOW},
};
use crate::{
    Outcome,
    consumer::{Consumer, Way, subscription},
    producer::{Producer, body},
};

/// Producers, each with one append under way.
const PRODUCERS: usize = 64;
/// Connections that are being opened at a time.
const AT_A_TIME: usize = 16;
/// Most streams of a connection; with fewer than this there is a connection for each.
const STREAMS_PER_CONNECTION: usize = 100;

/// So many servers, so many streams, so many events in an append. Every event is delivered to the one consumer of its
/// stream, in order, and confirmed.
#[derive(Serialize)]
pub struct Run {
    servers: usize,
    streams: usize,
    batch: usize,
    connections: usize,
    subscriptions_per_second: f64,
    events: usize,
    appended_per_second: f64,
    /// Until the last one is confirmed.
    delivered_per_second: f64,
    /// Of all servers together, for an event that is appended, delivered and confirmed; `null` where the system does not
    /// tell.
    server_cpu_micros_per_event: Option<f64>,
    redis_cpu_micros_per_event: Option<f64>,
}

pub const HEAD: &str =
    "servers  streams  batch  subscribed/s  appended/s  delivered/s  servers' CPU µs/event  Redis's CPU µs/event";

pub async fn measure(program: &Path, options: &Options, servers: usize, streams: usize) -> Outcome<Vec<Run>> {
    let connections = streams.clamp(1, STREAMS_PER_CONNECTION.max(streams / STREAMS_PER_CONNECTION));
    let flags = ["--heartbeat", "10m", "--max-batch-events", "100000"];
    let fleet = Fleet::start(program, options.fsync, servers, connections, &flags).await?;
    let begun = Instant::now();
    let tally = Tally::new(begun)?;
    let opening = stream::iter(0..connections).map(|index| {
        let address = &fleet.servers[index % servers].address;
        let subscriptions: Vec<_> = (index..streams)
            .step_by(connections)
            .map(|number| subscription(&name(number), WINDOW.0, WINDOW.1))
            .collect();
        async move { Consumer::connect(address, Way::default(), &format!("consumer-{index}"), &subscriptions).await }
    });
    let mut following = JoinSet::new();
    let mut opening = std::pin::pin!(opening.buffer_unordered(AT_A_TIME));
    while let Some(consumer) = opening.try_next().await? {
        following.spawn(Follower { consumer, tally: tally.clone() }.run());
        if following.len().is_multiple_of(250) {
            println!("  {} of {connections} connected", following.len());
        }
    }
    let subscriptions_per_second = streams as f64 / begun.elapsed().as_secs_f64();
    let mut runs = Vec::new();
    for &batch in &options.batch {
        let load = Load { fleet: &fleet, tally: &tally, options, streams, batch };
        let run = Run { connections, subscriptions_per_second, ..load.run().await? };
        println!("{}", run.line());
        runs.push(run);
    }
    Ok(runs)
}

struct Load<'a> {
    fleet: &'a Fleet,
    tally: &'a Arc<Tally>,
    options: &'a Options,
    streams: usize,
    batch: usize,
}

impl Load<'_> {
    async fn run(&self) -> Outcome<Run> {
        let Self { fleet, tally, options, streams, batch } = *self;
        let before = tally.counts.events.get();
        let cpu_before = (fleet.cpu_seconds()?, fleet.redis.cpu_seconds()?);
        let begun = Instant::now();
        let end = begun + Duration::from_secs(options.seconds);
        let appended = try_join_all((0..PRODUCERS).map(|number| self.produce(number, end))).await?;
        let append_seconds = begun.elapsed().as_secs_f64();
        let events = appended.into_iter().sum::<usize>() * batch;
        tally.reach(before + events).await?;
        fleet.until_confirmed(before + events).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let each = |after: Option<f64>, before: Option<f64>| Some((after? - before?) * 1e6 / events as f64);
        Ok(Run {
            servers: fleet.servers.len(),
            streams,
            batch,
            connections: 0,
            subscriptions_per_second: 0.0,
            events,
            appended_per_second: events as f64 / append_seconds,
            delivered_per_second: events as f64 / seconds,
            server_cpu_micros_per_event: each(fleet.cpu_seconds()?, cpu_before.0),
            redis_cpu_micros_per_event: each(fleet.redis.cpu_seconds()?, cpu_before.1),
        })
    }

    /// One append after another, to its share of the streams in turn, at one of the servers; how many appends.
    async fn produce(&self, number: usize, end: Instant) -> Outcome<usize> {
        let servers = &self.fleet.servers;
        // Not the server whose consumers have its streams, if there is another.
        let mut producer = Producer::connect(&servers[(number + 1) % servers.len()].address).await?;
        let body = body(self.batch, self.options.bytes as usize);
        let mut appends = 0;
        for turn in 0.. {
            if Instant::now() >= end {
                break;
            }
            producer.append(&name((number + turn * PRODUCERS) % self.streams), body.clone()).await?;
            appends += 1;
        }
        Ok(appends)
    }
}

impl Run {
    fn line(&self) -> String {
        let shown = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.1}"));
        format!(
            "{:7}  {:7}  {:5}  {:12.0}  {:10.0}  {:11.0}  {:>21}  {:>20}",
            self.servers,
            self.streams,
            self.batch,
            self.subscriptions_per_second,
            self.appended_per_second,
            self.delivered_per_second,
            shown(self.server_cpu_micros_per_event),
            shown(self.redis_cpu_micros_per_event),
        )
    }
}

fn name(stream: usize) -> String {
    format!("run:{stream}")
}
