//! What those who watch a stream are told: one look into Redis for each change, however many they are.

use ackwire::wire::{Seq, SeqRange, StreamName};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::sleep};

use super::{Shared, pages};
use crate::log::{LogError, Moved, PageLimit, Tail};

/// Most looks at a time.
const LOOKS: usize = 256;
/// How long Redis is left alone after a look that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How much is handed to those who watch at a time; who lags behind more than that reads the log.
const AT_ONCE: PageLimit = PageLimit { events: 1000, bytes: 1 << 20 };

/// Why somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// The stream has changed; its head was there before.
    Changed(Seq),
    /// Nobody knows what has changed, and whether this is still the same Redis.
    Doubt,
}

/// The streams that are being looked at, and why to look again.
pub(super) struct News {
    looks: Mutex<HashMap<StreamName, Option<Reason>>>,
    room: Semaphore,
}

impl Default for News {
    fn default() -> Self {
        Self { looks: Mutex::default(), room: Semaphore::new(LOOKS) }
    }
}

impl News {
    fn lock(&self) -> MutexGuard<'_, HashMap<StreamName, Option<Reason>>> {
        // No code that holds the lock can leave the map half-changed.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is to look: nobody else does. Otherwise whoever does will look again.
    fn begin(&self, stream: &StreamName, reason: Reason) -> bool {
        let mut looks = self.lock();
        if let Some(again) = looks.get_mut(stream) {
            *again = (*again).max(Some(reason));
            return false;
        }
        looks.insert(stream.clone(), None);
        true
    }

    /// Why to look again, if there is a reason; otherwise the look is over.
    fn again(&self, stream: &StreamName) -> Option<Reason> {
        let mut looks = self.lock();
        let again = looks.get_mut(stream).and_then(Option::take);
        if again.is_none() {
            looks.remove(stream);
        }
        again
    }
}

impl Shared {
    /// Tells those who watch the stream, if anybody does, how it has moved.
    pub(super) fn refresh(self: &Arc<Self>, stream: &StreamName, reason: Reason) {
        if self.watchers.known(stream).is_some() && self.news.begin(stream, reason) {
            tokio::spawn(self.clone().look(stream.clone(), reason));
        }
    }

    /// The same of every watched stream that is meant, of which something may not have been heard.
    pub(super) fn refresh_where(self: &Arc<Self>, is_meant: impl Fn(&StreamName) -> bool) {
        for stream in self.watchers.streams().iter().filter(|stream| is_meant(stream)) {
            self.refresh(stream, Reason::Doubt);
        }
    }

    async fn look(self: Arc<Self>, stream: StreamName, reason: Reason) {
        let mut next = Some(reason);
        while let Some(reason) = next {
            let room = self.news.room.acquire().await.expect("the semaphore is never closed");
            let published = self.publish(&stream, reason).await;
            drop(room);
            next = match published {
                Ok(()) => self.news.again(&stream),
                Err(_) => {
                    sleep(LOOK_AGAIN).await;
                    let is_watched = self.watchers.known(&stream).is_some();
                    if is_watched { Some(Reason::Doubt) } else { self.news.again(&stream) }
                }
            };
        }
    }

    async fn publish(&self, stream: &StreamName, reason: Reason) -> Result<(), LogError> {
        let Some(known) = self.watchers.known(stream) else { return Ok(()) };
        if reason == Reason::Doubt && self.tail(stream, "find").await?.is_none() {
            return Ok(());
        }
        let before = match (&known, reason) {
            (Some(known), _) => known.head,
            (None, Reason::Changed(before)) => before,
            (None, Reason::Doubt) => return self.publish_tail(stream).await,
        };
        let Some(range) = SeqRange::new(before, Seq::MAX) else { return Ok(()) };
        let Some(read) = self.read(stream, range, AT_ONCE).await? else { return Ok(()) };
        let (tail, is_whole) = (pages::tail_of(&read)?, !pages::is_cut(&read));
        if known.as_ref() == Some(&tail) {
            return Ok(());
        }
        let page = pages::page(read, range)?;
        let is_same = known.is_none_or(|known| known.epoch == tail.epoch);
        let moved = if is_same && is_whole && page.compacted.is_empty() {
            Moved { stream: stream.clone(), tail, before, entries: page.entries }
        } else {
            // Whoever wants what lies before reads the log, which says what is missing.
            jumped(stream, tail)
        };
        self.watchers.publish(moved);
        Ok(())
    }

    async fn publish_tail(&self, stream: &StreamName) -> Result<(), LogError> {
        if let Some(tail) = self.tail(stream, "find").await? {
            self.watchers.publish(jumped(stream, tail));
        }
        Ok(())
    }
}

/// It stands there now, and nothing more is known.
fn jumped(stream: &StreamName, tail: Tail) -> Moved {
    let before = tail.head;
    Moved { stream: stream.clone(), tail, before, entries: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_looks_at_a_time_and_once_more_for_all_who_asked_meanwhile() {
        let (news, stream) = (News::default(), StreamName::new("run:1").unwrap());
        let changed = Reason::Changed(Seq::ZERO);
        assert!(news.begin(&stream, changed));
        assert_eq!([changed, Reason::Doubt, changed].map(|reason| news.begin(&stream, reason)), [false; 3]);
        assert_eq!(news.again(&stream), Some(Reason::Doubt), "the look that leaves nothing out");
        assert!(!news.begin(&stream, changed), "it is under way");
        assert_eq!(news.again(&stream), Some(changed));
        assert_eq!(news.again(&stream), None);
        assert!(news.begin(&stream, changed), "it is over");
    }
}
