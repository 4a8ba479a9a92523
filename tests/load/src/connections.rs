//! Many connections held by one server, and what each costs it.

use clap::Args;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Outcome,
    consumer::{Consumer, Way, source, subscription, text},
    progress::Count,
    reader::CONFIRMED,
    server::Server,
};

/// Connections that are being opened at a time, and appends under way.
const AT_A_TIME: usize = 64;
/// Heartbeats that each must live through.
const HEARTBEATS: usize = 2;
/// How long anything may take besides waiting for heartbeats.
const WITHIN: Duration = Duration::from_secs(300);

#[derive(Args)]
pub struct Options {
    /// How many
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Subscriptions of each; a round for each number, with a server of its own
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 5])]
    subscriptions: Vec<usize>,
    /// The server's heartbeat, in seconds; its own default is 25
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=600))]
    heartbeat: u64,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    connections: usize,
    heartbeat_seconds: u64,
    rounds: Vec<Round>,
    /// What a further subscription costs, from the rounds with the fewest and with the most.
    kb_per_subscription: Option<f64>,
}

/// What one server bore.
#[derive(Serialize)]
struct Round {
    subscriptions: usize,
    /// How long it took until all were welcome and subscribed.
    connect_seconds: f64,
    /// The server's resident memory before the first connection.
    before_kb: f64,
    /// With all connections, after the heartbeats.
    idle_kb: f64,
    kb_per_connection: f64,
    /// After each has received and confirmed an event; `null` without subscriptions.
    after_event_kb_per_connection: Option<f64>,
    /// How long it took from the first append to the last confirmation.
    event_seconds: Option<f64>,
}

/// Of all connections of a round.
#[derive(Default)]
struct Counts {
    connected: Count,
    lived: Count,
    received: Count,
    failed: Count,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    let (connections, mut rounds) = (options.connections as usize, Vec::new());
    for (number, subscriptions) in options.subscriptions.into_iter().enumerate() {
        println!("{connections} connections with {subscriptions} subscriptions each");
        let server = Server::start(program, connections, &["--heartbeat", &format!("{}s", options.heartbeat)]).await?;
        let round = Plan { server, number, connections, subscriptions, heartbeat: options.heartbeat }.run().await?;
        let after = round.after_event_kb_per_connection.map_or(String::new(), |kb| format!(", {kb:.1} KB after it"));
        println!("  {:.1} KB for each idle connection{after}", round.kb_per_connection);
        rounds.push(round);
    }
    let per_subscription = |(least, most): (&Round, &Round)| {
        let more = most.subscriptions - least.subscriptions;
        (more > 0).then(|| (most.kb_per_connection - least.kb_per_connection) / more as f64)
    };
    let least = rounds.iter().min_by_key(|round| round.subscriptions);
    let most = rounds.iter().max_by_key(|round| round.subscriptions);
    let kb_per_subscription = least.zip(most).and_then(per_subscription);
    kb_per_subscription.inspect(|kb| println!("{kb:.1} KB for each further subscription"));
    Ok(Found { connections, heartbeat_seconds: options.heartbeat, rounds, kb_per_subscription })
}

/// One round.
struct Plan {
    server: Server,
    number: usize,
    connections: usize,
    subscriptions: usize,
    heartbeat: u64,
}

impl Plan {
    async fn run(self) -> Outcome<Round> {
        let before = self.server.resident_bytes().await?;
        let (counts, begun) = (Arc::new(Counts::default()), Instant::now());
        let mut held = JoinSet::new();
        let opening = stream::iter(0..self.connections).map(|index| self.open(index)).buffer_unordered(AT_A_TIME);
        let mut opening = std::pin::pin!(opening);
        while let Some(consumer) = opening.next().await {
            held.spawn(hold(consumer?, counts.clone()));
            counts.connected.add();
            if counts.connected.get().is_multiple_of(1_000) {
                println!("  {} of {} connected", counts.connected.get(), self.connections);
            }
        }
        let connect_seconds = begun.elapsed().as_secs_f64();
        let patience = WITHIN + Duration::from_secs(self.heartbeat * 2 * HEARTBEATS as u64);
        counts.lived.reach(self.connections, "alive through two heartbeats", patience, &counts.failed).await?;
        let idle = self.server.resident_bytes().await?;
        let (after, event_seconds) = match self.subscriptions {
            0 => (None, None),
            _ => {
                let begun = Instant::now();
                self.send_to_each(&counts).await?;
                (Some(self.server.resident_bytes().await?), Some(begun.elapsed().as_secs_f64()))
            }
        };
        let each = |bytes: u64| (bytes as f64 - before as f64) / 1024.0 / self.connections as f64;
        Ok(Round {
            subscriptions: self.subscriptions,
            connect_seconds,
            before_kb: before as f64 / 1024.0,
            idle_kb: idle as f64 / 1024.0,
            kb_per_connection: each(idle),
            after_event_kb_per_connection: after.map(each),
            event_seconds,
        })
    }

    async fn open(&self, index: usize) -> Outcome<Consumer> {
        let subscriptions: Vec<Value> =
            (0..self.subscriptions).map(|number| subscription(&stream_of(index, number), 256, 1 << 20)).collect();
        let way = Way { from: source(self.number, index), ..Way::default() };
        Consumer::connect(&self.server.address, way, &format!("consumer-{index}"), &subscriptions).await
    }

    /// An event for each connection, on a stream of its own; over once the server has every confirmation.
    async fn send_to_each(&self, counts: &Counts) -> Outcome<()> {
        let text = "x".repeat(200);
        let appends = stream::iter(0..self.connections).map(|index| {
            let event = json!({ "type": "agent_thinking", "data": { "text": &text } });
            async move { self.server.append(&stream_of(index, 0), &event).await }
        });
        let mut appends = std::pin::pin!(appends.buffer_unordered(AT_A_TIME));
        while let Some(appended) = appends.next().await {
            appended?;
        }
        counts.received.reach(self.connections, "have received their event", WITHIN, &counts.failed).await?;
        let wanted = self.connections as u64;
        self.server.until_metric(CONFIRMED, |count| count == wanted).await
    }
}

/// Lives as long as the round: answers pings, confirms events.
async fn hold(mut consumer: Consumer, counts: Arc<Counts>) {
    let mut pings = 0;
    let live = async {
        loop {
            let frame = consumer.next().await?;
            match text(&frame["type"]) {
                "ping" => {
                    consumer.pong().await?;
                    pings += 1;
                    if pings == HEARTBEATS {
                        counts.lived.add();
                    }
                }
                "events" => {
                    consumer.ack(text(&frame["stream"]), &frame["upto"]).await?;
                    counts.received.add();
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

fn stream_of(index: usize, number: usize) -> String {
    format!("run:{index}.{number}")
}
