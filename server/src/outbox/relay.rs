//! From the table to the log.

use ackwire::{
    base::{Backoff, Duration, Rng},
    wire::StreamName,
};
use futures_util::future::join_all;
use std::{pin::pin, sync::Arc};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time,
};

use super::{
    ORDERS, OutboxError,
    table::{Row, Table},
};
use crate::log::{Log, LogError, NewEvent};

/// The waits while something fails that may pass by itself.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(50), max: Duration::from_secs(5) };

/// How a relay is doing, since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How many events the log has answered, duplicates included.
    pub appended: u64,
    /// How many it refused ([`refused`](super::refused)).
    pub refused: u64,
    /// What keeps it from going on now. It is tried again: soon, with growing waits, if it is transient; otherwise when
    /// woken and at each poll.
    pub trouble: Option<OutboxError>,
}

/// What a relay is told.
pub(super) enum Order {
    /// Answer once all that is committed is settled.
    Flush(oneshot::Sender<Result<(), OutboxError>>),
    /// Append this, after what is committed.
    Notice(StreamName, Box<NewEvent>),
    /// Stop, and drop this.
    Close(#[expect(dead_code, reason = "dropping it is the answer")] oneshot::Sender<()>),
}

pub(super) struct Relay {
    table: Table,
    log: Arc<dyn Log>,
    poll: std::time::Duration,
    orders: mpsc::Receiver<Order>,
    wake: Arc<Notify>,
    status: watch::Sender<Status>,
    flushes: Vec<oneshot::Sender<Result<(), OutboxError>>>,
    notices: Vec<(StreamName, Box<NewEvent>)>,
    rng: Rng,
    /// Transient ones in a row.
    failures: u32,
}

impl Relay {
    pub(super) fn new(
        table: Table,
        log: Arc<dyn Log>,
        poll: std::time::Duration,
        orders: mpsc::Receiver<Order>,
        wake: Arc<Notify>,
        status: watch::Sender<Status>,
    ) -> Self {
        let (flushes, notices, rng) = (Vec::new(), Vec::new(), Rng::new(rand::random()));
        Self { table, log, poll, orders, wake, status, flushes, notices, rng, failures: 0 }
    }

    /// Until it is told to stop, or nobody is left to tell it anything.
    pub(super) async fn run(mut self) {
        loop {
            // What is committed after this is for the next round.
            let (flushes, notices) = (self.flushes.len(), self.notices.len());
            let trouble = match self.drain().await {
                Ok(()) => self.send_notices(notices).await.err(),
                Err(error) => {
                    // What the database keeps back must not keep the notice of it back.
                    self.send_notices(notices).await.err().or(Some(error))
                }
            };
            self.tell(&trouble);
            let wait = match &trouble {
                Some(error) if error.fault.is_transient() => {
                    let delay = BACKOFF.delay(self.failures, &mut self.rng);
                    self.failures += 1;
                    std::time::Duration::from_millis(delay.as_millis())
                }
                _ => {
                    self.failures = 0;
                    let answer = trouble.map_or(Ok(()), Err);
                    for reply in self.flushes.drain(..flushes) {
                        // Nobody may be waiting any more.
                        let _ = reply.send(answer.clone());
                    }
                    self.poll
                }
            };
            if self.pause(wait).await.is_none() {
                return;
            }
        }
    }

    /// Who waits for a flush is answered with the next, but for those who lost interest; one too many is told of the
    /// trouble that it would wait for.
    fn await_flush(&mut self, reply: oneshot::Sender<Result<(), OutboxError>>) {
        if self.flushes.len() >= ORDERS {
            self.flushes.retain(|reply| !reply.is_closed());
        }
        match self.status.borrow().trouble.clone() {
            Some(trouble) if self.flushes.len() >= ORDERS => drop(reply.send(Err(trouble))),
            _ => self.flushes.push(reply),
        }
    }

    /// Relays everything that waits.
    async fn drain(&mut self) -> Result<(), OutboxError> {
        loop {
            let rows = self.table.waiting().await?;
            if rows.is_empty() {
                return Ok(());
            }
            let batch = relay(&*self.log, rows).await;
            let (appended, refused) = (batch.answered.len() as u64, batch.refused.len() as u64);
            if appended + refused > 0 {
                self.table.settle(batch.answered, batch.refused).await?;
            }
            self.status.send_modify(|status| {
                status.appended += appended;
                status.refused += refused;
            });
            if let Some(error) = batch.trouble {
                return Err(error.into());
            }
        }
    }

    /// The first `count`, in their order. One that is refused is let go: nobody is owed it any more.
    async fn send_notices(&mut self, count: usize) -> Result<(), OutboxError> {
        for _ in 0..count {
            let (stream, event) = &self.notices[0];
            match self.log.append(stream, vec![(**event).clone()]).await {
                Err(error @ LogError::Unavailable { .. }) => return Err(error.into()),
                Err(error) => tracing::warn!(%stream, %error, "a notice of a rollback was refused"),
                Ok(_) => {}
            }
            self.notices.remove(0);
        }
        Ok(())
    }

    /// Once for each trouble, not for each try.
    fn tell(&self, trouble: &Option<OutboxError>) {
        let known = self.status.borrow().trouble.as_ref().map(|error| error.fault);
        match trouble {
            Some(error) if known != Some(error.fault) => {
                tracing::error!(%error, transient = error.fault.is_transient(), "the outbox waits");
            }
            None if known.is_some() => tracing::info!("the outbox goes on"),
            _ => {}
        }
        self.status.send_if_modified(|status| {
            let is_new = status.trouble != *trouble;
            status.trouble.clone_from(trouble);
            is_new
        });
    }

    /// Until there is something to do; `None` if that is to stop. While it waits for trouble to pass, only time helps.
    async fn pause(&mut self, wait: std::time::Duration) -> Option<()> {
        let backs_off = self.failures > 0;
        let mut due = pin!(time::sleep(wait));
        loop {
            tokio::select! {
                () = &mut due => return Some(()),
                () = self.wake.notified(), if !backs_off => return Some(()),
                order = self.orders.recv() => match order? {
                    Order::Flush(reply) => self.await_flush(reply),
                    Order::Notice(stream, event) if self.notices.len() < ORDERS => self.notices.push((stream, event)),
                    Order::Notice(stream, _) => tracing::warn!(%stream, "a notice of a rollback was dropped: {ORDERS} wait"),
                    Order::Close(_) => return None,
                },
            }
            if !backs_off {
                return Some(());
            }
        }
    }
}

/// What came of some rows.
#[derive(Default)]
struct Batch {
    answered: Vec<i64>,
    refused: Vec<(i64, String)>,
    trouble: Option<LogError>,
}

/// Streams do not wait for each other, and their appends share what syncing costs.
async fn relay(log: &dyn Log, rows: Vec<Row>) -> Batch {
    let mut batch = Batch::default();
    let mut streams: Vec<(StreamName, Vec<(i64, NewEvent)>)> = Vec::new();
    for Row { position, entry } in rows {
        match entry {
            Ok((stream, event)) => match streams.iter_mut().find(|(name, _)| *name == stream) {
                Some((_, events)) => events.push((position, event)),
                None => streams.push((stream, vec![(position, event)])),
            },
            Err(reason) => batch.refused.push((position, reason)),
        }
    }
    for part in join_all(streams.into_iter().map(|(stream, events)| append(log, stream, events))).await {
        batch.answered.extend(part.answered);
        batch.refused.extend(part.refused);
        batch.trouble = batch.trouble.or(part.trouble);
    }
    batch
}

/// All at once; one by one if something in it is refused, so that what is not goes in.
async fn append(log: &dyn Log, stream: StreamName, events: Vec<(i64, NewEvent)>) -> Batch {
    let (positions, all): (Vec<_>, Vec<_>) = events.iter().cloned().unzip();
    match log.append(&stream, all).await {
        Ok(_) => return Batch { answered: positions, ..Batch::default() },
        Err(error @ LogError::Unavailable { .. }) => return Batch { trouble: Some(error), ..Batch::default() },
        Err(LogError::StreamEnded | LogError::StreamFull) => {}
    }
    let mut batch = Batch::default();
    for (position, event) in events {
        match log.append(&stream, vec![event]).await {
            Ok(_) => batch.answered.push(position),
            Err(error @ LogError::Unavailable { .. }) => {
                batch.trouble = Some(error);
                break;
            }
            Err(refused) => batch.refused.push((position, refused.to_string())),
        }
    }
    batch
}
