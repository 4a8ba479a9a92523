//! How long an event is on its way: to a consumer of the producer's own server, and to one of another.

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::json;
use std::{path::Path, sync::Arc};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, MissedTickBehavior, interval},
};

use super::{
    Options,
    fleet::Fleet,
    follower::{Follower, Tally, WINDOW},
};
use crate::{
    Outcome,
    consumer::{Consumer, Way, subscription},
    producer::Producer,
};

/// Streams that are appended to in turn.
const STREAMS: u64 = 10;

/// In milliseconds, from before the append is sent.
#[derive(Serialize)]
pub struct Found {
    events_per_second: u64,
    answer: Times,
    same_server: Times,
    other_server: Times,
}

#[derive(Serialize)]
struct Times {
    events: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

pub async fn measure(program: &Path, options: &Options) -> Outcome<Found> {
    let fleet = Fleet::start(program, options.fsync, 2, 10, &["--heartbeat", "10m"]).await?;
    let begun = Instant::now();
    let tallies = [Tally::new(begun)?, Tally::new(begun)?];
    let mut following = JoinSet::new();
    for (server, tally) in fleet.servers.iter().zip(&tallies) {
        let streams: Vec<_> = (0..STREAMS).map(|n| subscription(&format!("run:{n}"), WINDOW.0, WINDOW.1)).collect();
        let consumer = Consumer::connect(&server.address, Way::default(), &server.address, &streams).await?;
        following.spawn(Follower { consumer, tally: tally.clone() }.run());
    }
    let answers = append(&fleet, &tallies, options).await?;
    for tally in &tallies {
        tally.reach(answers.len() as usize).await?;
    }
    let [same_server, other_server] = tallies.map(|tally| Times::of(&tally.micros()));
    let found = Found { events_per_second: options.rate, answer: Times::of(&answers), same_server, other_server };
    let ms = |times: &Times| format!("p50 {:.2} ms, p99 {:.2} ms", times.p50, times.p99);
    println!("append answered {}", ms(&found.answer));
    println!("to a consumer of the same server {}, of another {}", ms(&found.same_server), ms(&found.other_server));
    Ok(found)
}

/// At a steady rate, at the first server; how long the answers took. Each event says when it was sent.
async fn append(fleet: &Fleet, tallies: &[Arc<Tally>; 2], options: &Options) -> Outcome<Histogram<u64>> {
    let mut producer = Producer::connect(&fleet.servers[0].address).await?;
    let mut ticks = interval(Duration::from_secs(1) / options.rate as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (text, mut micros) = ("x".repeat(options.bytes as usize), Histogram::new(3)?);
    for number in 0..options.rate * options.seconds {
        ticks.tick().await;
        let asked = Instant::now();
        let event = json!({ "type": "agent_thinking", "data": { "at": tallies[0].now(), "text": &text } });
        producer.append(&format!("run:{}", number % STREAMS), event.to_string().into()).await?;
        micros.record(asked.elapsed().as_micros() as u64)?;
    }
    Ok(micros)
}

impl Times {
    fn of(micros: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| ms(micros.value_at_quantile(quantile));
        Self { events: micros.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(micros.max()) }
    }
}
