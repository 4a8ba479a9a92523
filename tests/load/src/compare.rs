//! The same work for the server and for what it is compared with: a bare `ws` server and socket.io's, under Node.

use clap::{Args, ValueEnum};
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    task::JoinSet,
    time::{Duration, Instant, timeout},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::{
    Outcome,
    consumer::{Socket, Way, open, source},
    cores,
    deliver::{self, Work},
    server::allow_files,
    usage::cpu_seconds,
};

/// Connections that are being opened at a time.
const AT_A_TIME: usize = 64;
/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Of one connection: with few of them it is the same again and again.
const MAX_EVENTS: usize = 200_000;
/// Where the other servers are.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/server/peer.mjs");

#[derive(Args)]
pub struct Options {
    /// Who takes part
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Contestant::value_variants().to_vec())]
    only: Vec<Contestant>,
    /// How many connections; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    connections: Vec<usize>,
    /// Events of a frame: 1 for single events as they come, 64 for a backlog
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    per_frame: Vec<usize>,
    /// Deliveries of a run, of all connections together, in frames of 64; windows grow at first, so not too few
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    deliveries: u32,
    /// How long single events are sent by Ackwire's server, in seconds; the others send a fortieth of `deliveries`
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Bytes of an event's data
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bytes: u32,
    /// Runs of each kind, interleaved
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
enum Contestant {
    /// Ackwire's, on SQLite.
    Sqlite,
    /// Ackwire's, with its log in memory.
    Memory,
    /// A bare Node `ws` server.
    Ws,
    /// socket.io's.
    SocketIo,
}

/// The report.
#[derive(Serialize)]
pub struct Found {
    bytes: u32,
    runs: Vec<Run>,
}

/// One server on one processor core, the client on another. Each event was checked to be the next one of its connection.
#[derive(Serialize)]
struct Run {
    contestant: Contestant,
    round: u32,
    connections: usize,
    per_frame: usize,
    deliveries: usize,
    deliveries_per_second: f64,
    events_per_frame: f64,
    /// All processor time of the server, over the deliveries.
    cpu_micros_per_delivery: Option<f64>,
}

pub async fn run(program: &Path, options: Options) -> Outcome<Found> {
    cores::make_way()?;
    println!("server    connections  per frame  deliveries  deliveries/s  events/frame  CPU µs/delivery");
    let (mut runs, mut number) = (Vec::new(), 0);
    for round in 1..=options.rounds {
        for &per_frame in &options.per_frame {
            for &connections in &options.connections {
                for &contestant in &options.only {
                    number += 1;
                    let plan = Plan { options: &options, number, contestant, connections, per_frame };
                    let run = Run { round, ..plan.run(program).await? };
                    println!("{}", run.line());
                    runs.push(run);
                }
            }
        }
    }
    Ok(Found { bytes: options.bytes, runs })
}

impl Run {
    fn line(&self) -> String {
        let name = format!("{:?}", self.contestant).to_lowercase();
        let cpu = self.cpu_micros_per_delivery.map_or("-".into(), |micros| format!("{micros:.2}"));
        format!(
            "{name:8}  {:11}  {:9}  {:10}  {:12.0}  {:12.1}  {cpu:>15}",
            self.connections, self.per_frame, self.deliveries, self.deliveries_per_second, self.events_per_frame
        )
    }
}

/// One run.
struct Plan<'a> {
    options: &'a Options,
    number: usize,
    contestant: Contestant,
    connections: usize,
    per_frame: usize,
}

impl Plan<'_> {
    async fn run(&self, program: &Path) -> Outcome<Run> {
        match self.contestant {
            Contestant::Sqlite => self.ours(program, "sqlite").await,
            Contestant::Memory => self.ours(program, "memory").await,
            Contestant::Ws | Contestant::SocketIo => self.theirs().await,
        }
    }

    async fn ours(&self, program: &Path, log: &str) -> Outcome<Run> {
        let Options { seconds, deliveries, bytes, .. } = *self.options;
        let options = deliver::Options::pinned(log, seconds, deliveries, bytes);
        let work = if self.per_frame == 1 { Work::Live } else { Work::Backlog };
        let found = deliver::to_all(program, &options, self.number, work, self.connections).await?;
        Ok(Run {
            contestant: self.contestant,
            round: 0,
            connections: self.connections,
            per_frame: self.per_frame,
            deliveries: found.deliveries,
            deliveries_per_second: found.deliveries_per_second,
            events_per_frame: found.events_per_frame,
            cpu_micros_per_delivery: found.cpu_micros_per_delivery,
        })
    }

    async fn theirs(&self) -> Outcome<Run> {
        let deliveries = self.options.deliveries as usize / if self.per_frame == 1 { 40 } else { 1 };
        let events = (deliveries / self.connections).clamp(1, MAX_EVENTS);
        let peer = Peer::start(self, events).await?;
        let opening = stream::iter(0..self.connections).map(|index| peer.connect(source(self.number, index)));
        let mut sockets: Vec<Socket> = opening.buffered(AT_A_TIME).try_collect().await?;
        let (begun, cpu_before) = (Instant::now(), cpu_seconds(peer.pid)?);
        for socket in &mut sockets {
            socket.send(Message::text(peer.ready())).await?;
        }
        let mut readers = JoinSet::new();
        sockets.into_iter().for_each(|socket| drop(readers.spawn(read(socket, events))));
        let mut frames = 0;
        while let Some(read) = timeout(WITHIN, readers.join_next()).await? {
            frames += read??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = cpu_seconds(peer.pid)?.zip(cpu_before).map(|(after, before)| after - before);
        let deliveries = events * self.connections;
        Ok(Run {
            contestant: self.contestant,
            round: 0,
            connections: self.connections,
            per_frame: self.per_frame,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            events_per_frame: deliveries as f64 / frames as f64,
            cpu_micros_per_delivery: cpu.map(|seconds| seconds * 1e6 / deliveries as f64),
        })
    }
}

/// Another server, until this is dropped.
struct Peer {
    /// Kept so that the process ends with it.
    _child: Child,
    pid: u32,
    url: String,
    is_socketio: bool,
}

impl Peer {
    async fn start(plan: &Plan<'_>, events: usize) -> Outcome<Self> {
        allow_files(plan.connections as u64)?;
        let is_socketio = plan.contestant == Contestant::SocketIo;
        let numbers = [plan.connections, events, plan.per_frame, plan.options.bytes as usize];
        let mut child = cores::command(Some(cores::SERVER), Path::new("node"))
            .args([PEER, if is_socketio { "socketio" } else { "ws" }])
            .args(numbers.map(|number| number.to_string()))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("node cannot be started: {error}"))?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let url = line.strip_prefix("listening on ").ok_or("the server ended; it says why above")?.to_owned();
        let pid = child.id().ok_or("the server has ended")?;
        Ok(Self { _child: child, pid, url, is_socketio })
    }

    async fn connect(&self, from: Option<std::net::Ipv4Addr>) -> Outcome<Socket> {
        let mut socket = open(&self.url, Way { from, ..Way::default() }, None).await?;
        if self.is_socketio {
            // Engine.IO's handshake, then socket.io's.
            let _open = text(&mut socket).await?;
            socket.send(Message::text("40")).await?;
            let _connected = text(&mut socket).await?;
        }
        Ok(socket)
    }

    fn ready(&self) -> &'static str {
        if self.is_socketio { r#"42["ready"]"# } else { "ready" }
    }
}

/// Reads so many events, each the one after the last; how many frames they came in.
async fn read(mut socket: Socket, events: usize) -> Outcome<usize> {
    let (mut last, mut frames) = (0, 0);
    while last < events as u64 {
        let text = text(&mut socket).await?;
        let json = match text.strip_prefix(r#"42["events","#) {
            Some(packet) => packet.strip_suffix(']').ok_or("half a packet of socket.io")?,
            None if text.as_str() == "2" => {
                socket.send(Message::text("3")).await?;
                continue;
            }
            None => &text,
        };
        let Frame { events } = serde_json::from_str(json)?;
        for Place { seq } in events {
            if seq != last + 1 {
                return Err(format!("event {seq} came after {last}").into());
            }
            last = seq;
        }
        frames += 1;
    }
    Ok(frames)
}

async fn text(socket: &mut Socket) -> Outcome<Utf8Bytes> {
    match socket.next().await.ok_or("the server broke off")?? {
        Message::Text(text) => Ok(text),
        other => Err(format!("{other} instead of a text").into()),
    }
}

#[derive(Deserialize)]
struct Frame {
    events: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
}
