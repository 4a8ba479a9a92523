//! What one connection with one stream takes: of its server, of Redis, idle and after an event.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::{path::Path, time::Duration};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Options, WITHIN,
    fleet::Fleet,
    follower::{Follower, Tally, WINDOW},
};
use crate::{
    Outcome,
    consumer::{Consumer, Way, source, subscription},
    producer::{Producer, body},
};

/// Connections that are being opened at a time, and appends under way.
const AT_A_TIME: usize = 64;
/// Heartbeats that each lives through, and how far apart they are.
const HEARTBEATS: usize = 5;
const HEARTBEAT: &str = "2s";

#[derive(Serialize)]
pub struct Found {
    connections: usize,
    connects_per_second: f64,
    /// Of the server's memory, with its stream, idle.
    server_kb_per_connection: f64,
    /// The same once it has confirmed an event.
    server_kb_after_event: f64,
    /// Of the server's processor time, sent, answered and read; `null` where the system does not tell.
    server_cpu_micros_per_heartbeat: Option<f64>,
    /// Of Redis's memory: an empty stream.
    redis_bytes_per_stream: f64,
    /// And what its first event takes, with what is kept of its consumer.
    redis_bytes_per_first_event: f64,
    /// A further event of the same stream.
    redis_bytes_per_event: f64,
}

/// Further events of one stream.
const FURTHER: usize = 10_000;
const BATCH: usize = 1_000;

pub async fn measure(program: &Path, options: &Options) -> Outcome<Found> {
    let connections = options.held as usize;
    println!("{connections} connections, each with a stream of its own");
    let mut fleet = Fleet::start(program, options.fsync, 1, connections, &["--heartbeat", HEARTBEAT]).await?;
    let (server_before, redis_before) = (fleet.resident_bytes().await?, fleet.redis.used_bytes()?);
    let begun = Instant::now();
    let tally = Tally::new(begun)?;
    let address = fleet.servers[0].address.clone();
    let opening = stream::iter(0..connections).map(|index| {
        let (address, way) = (&address, Way { from: source(0, index), ..Way::default() });
        async move {
            let streams = [subscription(&format!("run:{index}"), WINDOW.0, WINDOW.1)];
            Consumer::connect(address, way, &format!("consumer-{index}"), &streams).await
        }
    });
    let mut following = JoinSet::new();
    let mut opening = std::pin::pin!(opening.buffer_unordered(AT_A_TIME));
    while let Some(consumer) = opening.try_next().await? {
        following.spawn(Follower { consumer, tally: tally.clone() }.run());
    }
    let connect_seconds = begun.elapsed().as_secs_f64();
    let (server_idle, redis_idle) = (fleet.resident_bytes().await?, fleet.redis.used_bytes()?);

    let (pings_before, cpu_before) = (tally.pings.get(), fleet.cpu_seconds()?);
    let wanted = pings_before + HEARTBEATS * connections;
    tally.pings.reach(wanted, "heartbeats", WITHIN, &tally.counts.failed).await?;
    let pings = tally.pings.get() - pings_before;
    let cpu = fleet.cpu_seconds()?.zip(cpu_before).map(|(after, before)| after - before);

    let appending = stream::iter(0..AT_A_TIME).map(|first| {
        let (address, body) = (&address, body(1, options.bytes as usize));
        async move {
            let mut producer = Producer::connect(address).await?;
            for index in (first..connections).step_by(AT_A_TIME) {
                producer.append(&format!("run:{index}"), body.clone()).await?;
            }
            Outcome::Ok(())
        }
    });
    appending.buffer_unordered(AT_A_TIME).try_collect::<Vec<_>>().await?;
    tally.reach(connections).await?;
    fleet.until_confirmed(connections).await?;
    fleet.servers[0].until_metric("ackwire_feeds_unsaved", |feeds| feeds == 0).await?;
    let (server_after, redis_after) = (fleet.resident_bytes().await?, fleet.redis.used_bytes()?);

    let mut producer = Producer::connect(&address).await?;
    for _ in 0..FURTHER / BATCH {
        producer.append("run:further", body(BATCH, options.bytes as usize)).await?;
    }
    let redis_further = fleet.redis.used_bytes()?;

    let each = |after: u64, before: u64, count: usize| (after as f64 - before as f64) / count as f64;
    let found = Found {
        connections,
        connects_per_second: connections as f64 / connect_seconds,
        server_kb_per_connection: each(server_idle, server_before, connections) / 1024.0,
        server_kb_after_event: each(server_after, server_before, connections) / 1024.0,
        server_cpu_micros_per_heartbeat: cpu.map(|seconds| seconds * 1e6 / pings as f64),
        redis_bytes_per_stream: each(redis_idle, redis_before, connections),
        redis_bytes_per_first_event: each(redis_after, redis_idle, connections),
        redis_bytes_per_event: each(redis_further, redis_after, FURTHER),
    };
    println!(
        "  server: {:.1} KB each, {:.1} KB after an event; Redis: {:.0} B each, {:.0} B with an event, {:.0} B for a further one",
        found.server_kb_per_connection,
        found.server_kb_after_event,
        found.redis_bytes_per_stream,
        found.redis_bytes_per_stream + found.redis_bytes_per_first_event,
        found.redis_bytes_per_event,
    );
    Ok(found)
}

const _: () = assert!(Duration::from_secs(2 * HEARTBEATS as u64).as_secs() < WITHIN.as_secs());
