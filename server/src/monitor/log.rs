//! A log that tells the monitor what is appended to it, and looks for it at what others have appended.

use ackwire::{
    base::Instant,
    wire::{ConsumerId, Event, EventId, Seq, SeqRange, StreamName},
};
use async_trait::async_trait;
use std::{
    ops::ControlFlow,
    sync::{Arc, Once, Weak},
};
use tokio::time::sleep;

use super::Monitor;
use crate::{
    alerts::{Doubt, Found, Kind, Sighting},
    clock,
    log::{Appended, Bell, ConsumerKey, Log, LogError, NewEvent, Owners, Page, PageLimit, Tail, Watch},
};

/// How far, in events and about so, a run's `agent_started` is looked for when its `agent_completed` comes unexpectedly, or
/// events that others appended; what lies beyond is believed.
const LOOK: u64 = 10_000;
/// Most that is read of it at a time.
const PAGE: PageLimit = PageLimit { events: 1_000, bytes: 1 << 20 };

/// Everything goes through to the log behind it.
pub(crate) struct WatchedLog {
    log: Arc<dyn Log>,
    monitor: Arc<Monitor>,
    /// Starts the task that waits for the monitor's timer, once there is something to wait for: a log can be made outside
    /// of a runtime.
    timer: Once,
}

/// What an append is about, kept while the events themselves are on their way.
struct Seen {
    priority: ackwire::wire::Priority,
    bytes: usize,
    sighting: Option<Sighting>,
}

impl WatchedLog {
    pub(crate) fn new(log: Arc<dyn Log>, monitor: Arc<Monitor>) -> Self {
        Self { log, monitor, timer: Once::new() }
    }

    async fn tell(&self, stream: &StreamName, seen: Vec<Seen>, appended: &Appended) {
        let metrics = self.monitor.metrics();
        for (Seen { priority, bytes, sighting }, placed) in seen.into_iter().zip(&appended.events) {
            if placed.duplicate {
                metrics.count_duplicate();
                continue;
            }
            metrics.count_tracked(priority, bytes);
            let Some(sighting) = sighting else { continue };
            self.timer.call_once(|| drop(tokio::spawn(wait(Arc::downgrade(&self.log), Arc::downgrade(&self.monitor)))));
            let is_surprising = sighting.kind == Kind::Completed && !self.monitor.has_started(stream, &sighting.run);
            let began = is_surprising && began(&*self.log, stream, &sighting.run, placed.seq).await;
            self.monitor.see(stream, (placed.seq, placed.id.clone()), sighting, began);
        }
    }
}

/// Whether the log has the run's `agent_started`, or cannot tell.
async fn began(log: &dyn Log, stream: &StreamName, run: &str, before: Seq) -> bool {
    let Ok(Tail { oldest, head, events, .. }) = log.tail(stream).await else { return true };
    // Not every log gives each number.
    let spacing = (head.get() + 1).saturating_sub(oldest.get()).div_ceil(events.max(1));
    let floor = before.get().saturating_sub(LOOK.saturating_mul(spacing));
    let after = Seq::new(floor).unwrap_or(Seq::ZERO).max(oldest.before());
    let is_beginning = |event: &Event| is_of(event, run) && event.event_type.as_str() == "agent_started";
    let found = scan(log, stream, after, before.before(), |event| match is_beginning(event) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    // What lies further back, or was trimmed, cannot be looked at.
    found.await != Some(before.before()) || after > Seq::ZERO
}

/// What the log has of a run after what was seen of it, and up to where that was looked for.
async fn look(log: &dyn Log, doubt: &Doubt) -> Option<(Seq, Vec<Found>)> {
    let Doubt { stream, run, after } = doubt;
    let (head, mut found) = (log.tail(stream).await.ok()?.head, Vec::new());
    let upto = scan(log, stream, *after, head, |event| {
        if is_of(event, run)
            && let Some(sighting) = Sighting::of(&event.event_type, &event.meta, &event.data)
        {
            found.push(Found { seq: event.seq, time: event.time, sighting });
        }
        ControlFlow::Continue(())
    });
    let upto = upto.await?;
    Some((upto, found))
}

fn is_of(event: &Event, run: &str) -> bool {
    event.meta.get("run_id").is_some_and(|known| known == run)
}

/// Looks at the events of `(after, upto]`, at [`LOOK`] and a page of them at most. Returns up to where it has looked, `None`
/// if it was told to stop or the log does not answer.
async fn scan(
    log: &dyn Log,
    stream: &StreamName,
    mut after: Seq,
    upto: Seq,
    mut look: impl FnMut(&Event) -> ControlFlow<()>,
) -> Option<Seq> {
    let mut looked = 0;
    while looked < LOOK
        && let Some(range) = SeqRange::new(after, upto)
    {
        let page = log.read(stream, range, PAGE).await.ok()?;
        for entry in &page.entries {
            if look(entry.event()).is_break() {
                return None;
            }
        }
        looked += page.entries.len() as u64;
        if page.upto <= after {
            break;
        }
        after = page.upto;
    }
    Some(after)
}

/// Lets the monitor's time pass, until the log or the monitor is gone.
async fn wait(log: Weak<dyn Log>, monitor: Weak<Monitor>) {
    loop {
        let Some((due, is_stirred)) = monitor.upgrade().map(|it| (it.poll_timeout(), it.is_stirred.clone())) else {
            return;
        };
        tokio::select! {
            () = sleep(due.map_or(std::time::Duration::from_secs(60), clock::until)) => {}
            () = is_stirred.notified() => continue,
        }
        let (Some(log), Some(monitor)) = (log.upgrade(), monitor.upgrade()) else { return };
        let now: Instant = clock::now();
        // What only one server appends to has nothing that it has not seen.
        let doubts = if log.owners().is_some() { monitor.doubts(now) } else { Vec::new() };
        for doubt in doubts {
            // A log that does not answer takes no events either.
            if let Some((upto, found)) = look(&*log, &doubt).await {
                monitor.see_look(&doubt, upto, found);
            }
        }
        monitor.pass(now);
    }
}

#[async_trait]
impl Log for WatchedLog {
    async fn append(&self, stream: &StreamName, events: Vec<NewEvent>) -> Result<Appended, LogError> {
        let seen = events.iter().map(|event| Seen {
            priority: event.priority,
            bytes: event.payload_bytes(),
            sighting: Sighting::of(&event.event_type, &event.meta, &event.data),
        });
        let seen: Vec<Seen> = seen.collect();
        let appended = self.log.append(stream, events).await;
        match &appended {
            Ok(appended) => self.tell(stream, seen, appended).await,
            Err(_) => self.monitor.metrics().count_failed_append(),
        }
        appended
    }

    async fn end(&self, stream: &StreamName) -> Result<Tail, LogError> {
        let tail = self.log.end(stream).await?;
        self.monitor.see_end(stream);
        Ok(tail)
    }

    async fn tail(&self, stream: &StreamName) -> Result<Tail, LogError> {
        self.log.tail(stream).await
    }

    async fn find_tail(&self, stream: &StreamName) -> Result<Option<Tail>, LogError> {
        self.log.find_tail(stream).await
    }

    async fn read(&self, stream: &StreamName, range: SeqRange, limit: PageLimit) -> Result<Page, LogError> {
        self.log.read(stream, range, limit).await
    }

    async fn find(&self, stream: &StreamName, id: &EventId) -> Result<Option<Seq>, LogError> {
        self.log.find(stream, id).await
    }

    fn watch(&self, stream: &StreamName, bell: Arc<dyn Bell>) -> Watch {
        self.log.watch(stream, bell)
    }

    async fn load_consumer(&self, stream: &StreamName, consumer: &ConsumerKey) -> Result<Option<String>, LogError> {
        self.log.load_consumer(stream, consumer).await
    }

    async fn save_consumers(&self, saves: Vec<(StreamName, ConsumerKey, String)>) -> Result<(), LogError> {
        self.log.save_consumers(saves).await
    }

    async fn streams_of(&self, consumer: &ConsumerId) -> Result<Vec<StreamName>, LogError> {
        self.log.streams_of(consumer).await
    }

    async fn consumers(&self, stream: &StreamName) -> Result<Vec<(ConsumerKey, String)>, LogError> {
        self.log.consumers(stream).await
    }

    async fn streams(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<(StreamName, Tail)>, LogError> {
        self.log.streams(after, limit).await
    }

    async fn trim(&self, now: u64) -> Result<(), LogError> {
        self.log.trim(now).await
    }

    async fn check(&self) -> Result<(), LogError> {
        self.log.check().await
    }

    fn owners(&self) -> Option<Arc<dyn Owners>> {
        self.log.owners()
    }
}
