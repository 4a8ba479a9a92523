//! A consumer of many streams that checks each event's place, and confirms as the SDK does.

use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::WITHIN;
use crate::{Outcome, consumer::Consumer, progress::Count, reader::Counts};

/// The SDK's window.
pub const WINDOW: (u32, u32) = (1_024, 1 << 20);
/// Confirmations wait so long for others [AW-ACK-3].
const ACK_DELAY: Duration = Duration::from_millis(50);

/// Of all followers of a run.
pub struct Tally {
    /// Each event came after the one before it in its stream, and nothing was left out.
    pub counts: Counts,
    pub pings: Count,
    begun: Instant,
    /// How long events with a time in them took.
    micros: Mutex<Histogram<u64>>,
}

impl Tally {
    /// Times are those since `begun`.
    pub fn new(begun: Instant) -> Outcome<Arc<Self>> {
        let micros = Mutex::new(Histogram::new(3)?);
        Ok(Arc::new(Self { counts: Counts::default(), pings: Count::default(), begun, micros }))
    }

    /// What goes into an event as its time.
    pub fn now(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// The times that were taken.
    pub fn micros(&self) -> Histogram<u64> {
        self.micros.lock().expect("nobody panics with it").clone()
    }

    /// Waits until so many events have come.
    pub async fn reach(&self, wanted: usize) -> Outcome<()> {
        let is_late = timeout(WITHIN, self.counts.reach(wanted)).await.is_err();
        match self.counts.events.get() {
            _ if self.counts.failed.get() > 0 => Err("a connection failed; it says why above".into()),
            come if is_late || come != wanted => Err(format!("{come} events came, of {wanted}").into()),
            _ => Ok(()),
        }
    }
}

/// What is read of a frame: nothing of an event but its place and, if it has one, its time.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    frame_type: &'a str,
    #[serde(default)]
    stream: &'a str,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    upto: u64,
    #[serde(default)]
    events: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    seq: u64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    at: Option<u64>,
}

/// Reads its streams from their beginning, as long as the run lasts.
pub struct Follower {
    pub consumer: Consumer,
    pub tally: Arc<Tally>,
}

impl Follower {
    pub async fn run(mut self) {
        if let Err(error) = self.read().await {
            self.tally.counts.fail(&error);
        }
    }

    async fn read(&mut self) -> Outcome<()> {
        let mut cursors: HashMap<String, u64> = HashMap::new();
        let (mut unconfirmed, mut due): (BTreeSet<String>, _) = (BTreeSet::new(), None);
        loop {
            let text = match due {
                None => self.consumer.next_text().await?,
                Some(at) => match timeout_at(at, self.consumer.next_text()).await {
                    Ok(text) => text?,
                    Err(_) => {
                        for stream in std::mem::take(&mut unconfirmed) {
                            self.consumer.ack(&stream, &cursors[&stream].into()).await?;
                        }
                        due = None;
                        continue;
                    }
                },
            };
            let frame: Frame = serde_json::from_str(&text)?;
            match frame.frame_type {
                "ping" => {
                    self.consumer.pong().await?;
                    self.tally.pings.add();
                }
                "events" => {
                    self.take(cursors.entry(frame.stream.to_owned()).or_default(), &frame)?;
                    unconfirmed.insert(frame.stream.to_owned());
                    due = due.or_else(|| Some(Instant::now() + ACK_DELAY));
                }
                other => return Err(format!("a frame of type `{other}`: {text}").into()),
            }
        }
    }

    /// Seqs rise and leave some out; frames do not: each begins where the one before ended.
    fn take(&self, cursor: &mut u64, frame: &Frame) -> Outcome<()> {
        let now = self.tally.now();
        let mut last = frame.after;
        for place in &frame.events {
            if place.seq <= last {
                return Err(format!("{} came after {last}", place.seq).into());
            }
            last = place.seq;
            if let Some(at) = place.data.at {
                let mut micros = self.tally.micros.lock().map_err(|_| "somebody panicked")?;
                micros.record(now.saturating_sub(at))?;
            }
        }
        if frame.after != *cursor || last > frame.upto {
            return Err(format!("({}, {}] came after {cursor}", frame.after, frame.upto).into());
        }
        *cursor = frame.upto;
        self.tally.counts.add(frame.events.len());
        Ok(())
    }
}
