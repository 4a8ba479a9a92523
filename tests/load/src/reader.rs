//! A consumer that checks each event's place, and confirms as the SDK does.

use serde::Deserialize;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout_at},
};

use crate::{Failure, Outcome, consumer::Consumer, progress::Count};

/// The window that is asked for, which is the SDK's.
pub const WINDOW: (u32, u32) = (1_024, 1 << 20);
/// A quarter of it is confirmed at once [AW-ACK-3].
const ACK_AT: u64 = WINDOW.0 as u64 / 4;
/// Less than that after so long, or with what comes in the last quarter of it [AW-ACK-3].
const ACK_DELAY: Duration = Duration::from_millis(50);

/// What the server has seen confirmed, in its `/metrics`.
pub const CONFIRMED: &str = "ackwire_deliveries_confirmed_total{priority=\"normal\"}";

/// Of all readers of a run.
#[derive(Default)]
pub struct Counts {
    /// Each was the next one of its stream.
    pub events: Count,
    pub frames: Count,
    pub acks: Count,
    pub failed: Count,
    goal: AtomicUsize,
    reached: Notify,
}

impl Counts {
    /// Waits until so many events have come, or a reader failed.
    pub async fn reach(&self, events: usize) {
        self.goal.store(events, Ordering::SeqCst);
        while self.events.get() < events && self.failed.get() == 0 {
            self.reached.notified().await;
        }
    }

    /// A frame with so many events has come.
    pub fn add(&self, events: usize) {
        self.events.add_many(events);
        self.frames.add();
        if self.events.get() >= self.goal.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    /// A reader has failed; the first says why.
    pub fn fail(&self, error: &Failure) {
        if self.failed.get() == 0 {
            eprintln!("  a connection failed: {error}");
        }
        self.failed.add();
        self.reached.notify_one();
    }
}

/// What is read of a frame: nothing of an event but its place.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    frame_type: &'a str,
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
}

/// Reads one stream from its first event on, as long as the run lasts.
pub struct Reader {
    pub consumer: Consumer,
    pub stream: String,
    pub counts: Arc<Counts>,
}

impl Reader {
    pub async fn run(mut self) {
        if let Err(error) = self.read().await {
            self.counts.fail(&error);
        }
    }

    async fn read(&mut self) -> Outcome<()> {
        let (mut last, mut acked, mut ack_due) = (0, 0, None);
        loop {
            let text = match ack_due {
                None => self.consumer.next_text().await?,
                Some(due) => match timeout_at(due, self.consumer.next_text()).await {
                    Ok(text) => text?,
                    Err(_) => {
                        self.ack(last).await?;
                        (acked, ack_due) = (last, None);
                        continue;
                    }
                },
            };
            let frame: Frame = serde_json::from_str(&text)?;
            match frame.frame_type {
                "ping" => self.consumer.pong().await?,
                // A mark: the ack is on its way.
                "events" if frame.upto == last && frame.events.is_empty() => {}
                "events" => {
                    last = follow(last, &frame)?;
                    self.counts.add(frame.events.len());
                    let is_nearly_due = ack_due.is_some_and(|due| due <= Instant::now() + ACK_DELAY / 4);
                    if last - acked >= ACK_AT || is_nearly_due {
                        self.ack(last).await?;
                        (acked, ack_due) = (last, None);
                    } else {
                        ack_due = ack_due.or_else(|| Some(Instant::now() + ACK_DELAY));
                    }
                }
                other => return Err(format!("a frame of type `{other}`: {text}").into()),
            }
        }
    }

    async fn ack(&mut self, upto: u64) -> Outcome<()> {
        self.counts.acks.add();
        self.consumer.ack(&self.stream, &upto.into()).await
    }
}

/// Where the reader is after the frame: each event is the one after the last, and nothing is left out.
fn follow(last: u64, frame: &Frame) -> Outcome<u64> {
    let out_of_order = || format!("({}, {}] came after {last}", frame.after, frame.upto);
    if frame.after != last {
        return Err(out_of_order().into());
    }
    let next = frame.events.iter().try_fold(last, |last, place| (place.seq == last + 1).then_some(place.seq));
    next.filter(|next| *next == frame.upto).ok_or_else(|| out_of_order().into())
}
