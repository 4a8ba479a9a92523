//! What a connection waits for from the log, all at the same time.
//!
//! Each job is a task of its own: it goes on while the connection waits for something else. A job may have what others
//! wait for, the connection itself as well: a turn at the log, say. If only the connection carried it on, then nobody
//! would while the connection waits for that turn.

use ackwire::{
    deliver::{Page, ReadRequest},
    wire::{Publish, Seq, SeqRange, StreamName},
};
use std::{
    future::pending,
    panic::resume_unwind,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};
use tracing::Instrument;

use crate::{
    clock,
    hub::{RetryCallback, Slot},
    limits::{JOBS_PER_SUBSCRIPTION, MAX_ASKED_RETRIES},
    log::{self, Log, LogError, NewEvent, PageLimit},
};

/// How long a log that failed is left alone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Names a subscription of a connection: what belongs to an earlier one of the same stream is told apart by `number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionId {
    pub stream: StreamName,
    pub number: u64,
}

/// What has come of a job.
pub(super) enum Done {
    /// A page was read.
    Read { subscription: SubscriptionId, id: u64, page: Result<Page, LogError> },
    /// What a feed asked to be saved is durable.
    Saved { subscription: SubscriptionId, id: u64 },
    /// An event was appended.
    Appended { publish: Publish, placed: Result<(Seq, bool), LogError> },
    /// The application was asked to send an event again.
    Retried { subscription: SubscriptionId, seq: Seq, attempt: u32, outcome: Result<(), String> },
}

/// The jobs under way; dropping it breaks them off. They are begun inside a tokio runtime.
pub(super) struct Jobs {
    log: Arc<dyn Log>,
    running: JoinSet<Done>,
    /// Most of them, before the client has to wait.
    most: usize,
    retries: usize,
}

impl Jobs {
    pub fn new(log: Arc<dyn Log>, max_subscriptions: usize) -> Self {
        let most = max_subscriptions.saturating_mul(JOBS_PER_SUBSCRIPTION).saturating_add(MAX_ASKED_RETRIES);
        Self { log, running: JoinSet::new(), most, retries: 0 }
    }

    /// Whether the client may cause more of them.
    pub fn takes_more(&self) -> bool {
        self.running.len() < self.most
    }

    /// How many more retries the application may be asked for.
    pub fn room_for_retries(&self) -> usize {
        MAX_ASKED_RETRIES - self.retries
    }

    /// The next one that is done; never, if none is under way.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Done> {
        let Some(done) = ready!(self.running.poll_join_next(context)) else { return Poll::Pending };
        // Nothing else fails it: none is broken off while this is there.
        let done = done.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        if let Done::Retried { .. } = done {
            self.retries -= 1;
        }
        Poll::Ready(done)
    }

    /// What it logs names the connection, as far as that is looked at.
    fn begin(&mut self, job: impl Future<Output = Done> + Send + 'static) {
        self.running.spawn(job.in_current_span());
    }

    /// Asks the application to send an event again.
    pub fn retry(&mut self, subscription: SubscriptionId, retry: RetryCallback, seq: Seq, attempt: u32) {
        self.retries += 1;
        let log = self.log.clone();
        let asked = async move {
            let outcome = async {
                let gone = || "the log no longer holds it".to_owned();
                let single = SeqRange::single(seq).ok_or_else(gone)?;
                let page = log.read(&subscription.stream, single, PageLimit { events: 1, bytes: 1 }).await;
                let page = page.map_err(|error| error.to_string())?;
                retry.ask(page.entries.first().ok_or_else(gone)?.event(), attempt).await
            };
            let outcome = outcome.await;
            Done::Retried { subscription, seq, attempt, outcome }
        };
        self.begin(asked);
    }

    /// Reads a page.
    pub fn read(&mut self, subscription: SubscriptionId, request: ReadRequest) {
        let log = self.log.clone();
        let read = async move {
            let page = log.read(&subscription.stream, request.range, limit(&request)).await.map(page);
            Done::Read { subscription, id: request.id, page }
        };
        self.begin(read);
    }

    /// Saves what became of the events, however often it takes: the feed says nothing until then.
    pub fn save(&mut self, subscription: SubscriptionId, slot: Arc<Slot>, id: u64) {
        let save = async move {
            loop {
                match slot.save().await {
                    Ok(true) => return Done::Saved { subscription, id },
                    // Another server has the consumer, and this connection is about to be told so.
                    Ok(false) => pending().await,
                    Err(error) => {
                        let stream = &subscription.stream;
                        tracing::warn!(%stream, %error, "what became of events was not saved; it is tried again");
                        sleep(LOOK_AGAIN).await;
                    }
                }
            }
        };
        self.begin(save);
    }

    /// Appends an event.
    pub fn append(&mut self, publish: Publish) {
        let log = self.log.clone();
        let append = async move {
            let event = NewEvent {
                id: publish.id.clone(),
                event_type: publish.event_type.clone(),
                time: clock::unix_ms(),
                data: publish.data.clone(),
                priority: Default::default(),
                meta: publish.meta.clone(),
                deadline_ms: None,
                retries: None,
            };
            let placed = log.append(&publish.stream, vec![event]).await.and_then(|appended| {
                let place = appended.events.first().map(|placed| (placed.seq, placed.duplicate));
                place.ok_or_else(|| LogError::broken("the log did not say where the event went"))
            });
            Done::Appended { publish, placed }
        };
        self.begin(append);
    }
}

/// How much a feed wants, in the words of the log.
pub(super) fn limit(request: &ReadRequest) -> PageLimit {
    PageLimit { events: request.max_events as usize, bytes: request.max_bytes as usize }
}

/// A page of the log, in the words of the core.
pub(super) fn page(page: log::Page) -> Page {
    let log::Page { epoch, entries, upto, oldest, compacted } = page;
    Page { epoch, entries, upto, oldest, compacted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{MemoryLog, Retention};
    use tokio::{task::yield_now, time::timeout};

    #[tokio::test]
    async fn a_job_goes_on_while_its_connection_waits_for_something_else() {
        let (log, stream) = (Arc::new(MemoryLog::new(Retention::default())), "run:1".parse::<StreamName>().unwrap());
        let mut jobs = Jobs::new(log.clone(), 2);
        let (id, event_type, data) = ("a".parse().unwrap(), "note".parse().unwrap(), Default::default());
        jobs.append(Publish { stream: stream.clone(), id, event_type, data, meta: Default::default() });
        let appended = async {
            while log.tail(&stream).await.unwrap().head == Seq::ZERO {
                yield_now().await;
            }
        };
        let appended = timeout(Duration::from_secs(30), appended).await;
        assert!(appended.is_ok(), "nobody looks at the job, and so it does nothing");
    }

    #[tokio::test]
    async fn while_too_many_are_under_way_the_client_has_to_wait() {
        let mut jobs = Jobs::new(Arc::new(MemoryLog::new(Retention::default())), 2);
        let subscription = SubscriptionId { stream: "run:1".parse().unwrap(), number: 1 };
        let range = SeqRange::new(Seq::ZERO, Seq::MAX).unwrap();
        let mut begun = 0;
        while jobs.takes_more() {
            begun += 1;
            jobs.read(subscription.clone(), ReadRequest { id: begun, range, max_events: 1, max_bytes: 1 });
        }
        assert_eq!(begun as usize, 2 * JOBS_PER_SUBSCRIPTION + MAX_ASKED_RETRIES);
        let done = std::future::poll_fn(|context| jobs.poll_next(context)).await;
        assert!(matches!(done, Done::Read { .. }));
        assert!(jobs.takes_more());
    }
}
