//! Waiting until somebody has confirmed an event.

use ackwire::{
    deliver::State,
    wire::{ConsumerId, Event, Seq, StreamName},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

use super::{DeliveryView, Hub, Selection, lock};
use crate::log::{EXPECTED_FOR, LogError};

/// How long somebody waits at the most for what another server has saved and could not tell.
const LOOK_AGAIN: Duration = Duration::from_secs(EXPECTED_FOR.as_secs() / 2);

/// Whose confirmation is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Somebody's.
    Any,
    /// That of the consumer of this name, whoever's it is.
    Consumer(ConsumerId),
    /// That of everyone who is subscribed, of one at least.
    All,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was confirmed.
    Confirmed {
        /// By whom.
        by: Vec<DeliveryView>,
    },
    /// It has failed for good for those who were waited for.
    Failed {
        /// For whom.
        by: Vec<DeliveryView>,
    },
    /// Neither, in the time that there was. The event is still on its way.
    Timeout,
}

/// Why nobody waited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// So many wait already.
    #[error("{0} callers wait for confirmations already (--max-waiters): ask for the event's state instead")]
    TooMany(usize),
    /// What is known of the consumers could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

type EventKey = (StreamName, Seq);

/// Who is waiting, by event, and how many.
pub(super) struct Waiters {
    room: Arc<Semaphore>,
    most: usize,
    by_event: Mutex<HashMap<EventKey, (Arc<Notify>, usize)>>,
}

impl Waiters {
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(most)), most, by_event: Mutex::default() }
    }

    /// Something has become of events.
    pub(super) fn wake(&self, stream: &StreamName, seqs: impl Iterator<Item = Seq>) {
        let waiting = lock(&self.by_event);
        // Usually nobody waits.
        if waiting.is_empty() {
            return;
        }
        for seq in seqs {
            if let Some((notify, _)) = waiting.get(&(stream.clone(), seq)) {
                notify.notify_waiters();
            }
        }
    }

    /// The same of every event of a stream: another server has saved what became of them.
    pub(super) fn wake_all(&self, stream: &StreamName) {
        let waiting = lock(&self.by_event);
        waiting.iter().filter(|((of, _), _)| of == stream).for_each(|(_, (notify, _))| notify.notify_waiters());
    }
}

/// A place among those who wait for an event, given back on drop.
struct Place<'a> {
    waiters: &'a Waiters,
    event: EventKey,
    notify: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(waiters: &'a Waiters, stream: &StreamName, seq: Seq) -> Self {
        let event = (stream.clone(), seq);
        let mut by_event = lock(&waiters.by_event);
        let (notify, places) = by_event.entry(event.clone()).or_default();
        *places += 1;
        let notify = notify.clone();
        drop(by_event);
        Self { waiters, event, notify }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut by_event = lock(&self.waiters.by_event);
        if let Some((_, places)) = by_event.get_mut(&self.event) {
            *places -= 1;
            if *places == 0 {
                by_event.remove(&self.event);
            }
        }
    }
}

impl Hub {
    /// Waits until those who are `awaited` have confirmed the event, or it has failed for good for them, at most `within`.
    /// A server that drains answers at once. Nothing else waits for it; who loses interest drops the future.
    ///
    /// `selection` says whose confirmations count at all.
    pub async fn wait(
        self: &Arc<Self>,
        stream: &StreamName,
        event: &Event,
        awaited: &Awaited,
        selection: &Selection,
        within: Duration,
    ) -> Result<Outcome, WaitError> {
        let _room = self.waiters.room.try_acquire().map_err(|_| WaitError::TooMany(self.waiters.most))?;
        let place = Place::take(&self.waiters, stream, event.seq);
        let mut draining = self.draining();
        let mut over = pin!(tokio::time::sleep(within));
        self.start();
        loop {
            let mut moved = pin!(place.notify.notified());
            // From here on nothing is missed,
            moved.as_mut().enable();
            if let Some(owners) = self.tenures.owners() {
                // and nothing of what other servers save, unless they cannot be heard.
                owners.expect(stream).await?;
            }
            let deliveries = self.selected(stream, event, selection).await?;
            if let Some(outcome) = judge(awaited, deliveries) {
                return Ok(outcome);
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(LOOK_AGAIN), if self.tenures.owners().is_some() => {}
                () = &mut over => return Ok(Outcome::Timeout),
                _ = draining.wait_for(Option::is_some) => return Ok(Outcome::Timeout),
            }
        }
    }
}

/// What the deliveries amount to, with whether each one's consumer is subscribed now; `None` for nothing yet.
fn judge(awaited: &Awaited, deliveries: Vec<(DeliveryView, bool)>) -> Option<Outcome> {
    let concerned = deliveries.into_iter().filter(|(view, is_subscribed)| match awaited {
        Awaited::Consumer(name) => view.consumer == *name,
        // Who has gone may still have said something.
        Awaited::Any | Awaited::All => *is_subscribed || matches!(view.state, State::Confirmed | State::Dead),
    });
    let concerned: Vec<DeliveryView> =
        concerned.map(|(view, _)| view).filter(|view| view.state != State::Skipped).collect();
    let all = concerned.len();
    let (confirmed, rest): (Vec<_>, Vec<_>) = concerned.into_iter().partition(|view| view.state == State::Confirmed);
    let dead: Vec<_> = rest.into_iter().filter(|view| view.state == State::Dead).collect();
    match awaited {
        _ if all == 0 => None,
        Awaited::All if confirmed.len() == all => Some(Outcome::Confirmed { by: confirmed }),
        Awaited::All if !dead.is_empty() => Some(Outcome::Failed { by: dead }),
        Awaited::All => None,
        _ if !confirmed.is_empty() => Some(Outcome::Confirmed { by: confirmed }),
        _ if dead.len() == all => Some(Outcome::Failed { by: dead }),
        _ => None,
    }
}
