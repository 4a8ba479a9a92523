//! What a connection hears from outside of its task.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::jobs::SubscriptionId;
use crate::log::Bell;

/// What has happened to a connection and its subscriptions. Its own bell says that it was told something: an order, or that
/// the server drains.
#[derive(Default)]
pub(super) struct Signals(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    /// Each once, so at most as many as there are subscriptions, and those that ended since.
    subscriptions: Vec<Arc<SubscriptionBell>>,
    is_told: bool,
    /// Of the task that waits.
    waker: Option<Waker>,
}

/// A subscription's: rings when its stream has moved, or something was done to its feed.
pub(super) struct SubscriptionBell {
    pub id: SubscriptionId,
    signals: Arc<Signals>,
    is_rung: AtomicBool,
    /// Itself, to be put among those that have rung.
    own: Weak<Self>,
}

impl SubscriptionBell {
    pub fn new(signals: &Arc<Signals>, id: SubscriptionId) -> Arc<Self> {
        let (signals, is_rung) = (signals.clone(), AtomicBool::new(false));
        Arc::new_cyclic(|own| Self { id, signals, is_rung, own: own.clone() })
    }
}

impl Bell for SubscriptionBell {
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::SeqCst) {
            self.signals.note(|rung| rung.subscriptions.extend(self.own.upgrade()));
        }
    }
}

impl Bell for Signals {
    fn ring(&self) {
        self.note(|rung| rung.is_told = true);
    }
}

impl Signals {
    /// Ready once something has rung: `into`, which is empty, is given the subscriptions' bells, which may ring again at once;
    /// the answer is whether the connection was told something. One task waits at a time.
    pub fn poll_rung(&self, context: &mut Context<'_>, into: &mut Vec<Arc<SubscriptionBell>>) -> Poll<bool> {
        let mut rung = self.lock();
        if rung.subscriptions.is_empty() && !rung.is_told {
            if !rung.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                rung.waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        // Both keep their room.
        std::mem::swap(&mut rung.subscriptions, into);
        let is_told = std::mem::take(&mut rung.is_told);
        drop(rung);
        into.iter().for_each(|bell| bell.is_rung.store(false, Ordering::SeqCst));
        Poll::Ready(is_told)
    }

    fn note(&self, what: impl FnOnce(&mut Rung)) {
        let mut rung = self.lock();
        what(&mut rung);
        // Once: who is awake looks before it waits again.
        let waker = rung.waker.take();
        drop(rung);
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Rung> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn numbers(signals: &Signals) -> Option<Vec<u64>> {
        let (mut rung, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
        let is_ready = signals.poll_rung(&mut context, &mut rung).is_ready();
        is_ready.then(|| rung.iter().map(|bell| bell.id.number).collect())
    }

    #[test]
    fn a_bell_that_rings_many_times_is_heard_once_until_it_is_taken() {
        let signals = Arc::new(Signals::default());
        let bells = [1, 2]
            .map(|number| SubscriptionBell::new(&signals, SubscriptionId { stream: "run:1".parse().unwrap(), number }));
        assert_eq!(numbers(&signals), None);
        for _ in 0..1_000 {
            bells.iter().for_each(|bell| bell.ring());
        }
        assert_eq!(numbers(&signals), Some(vec![1, 2]));
        assert_eq!(numbers(&signals), None);
        bells[1].ring();
        assert_eq!(numbers(&signals), Some(vec![2]));
        signals.ring();
        assert_eq!(numbers(&signals), Some(Vec::new()), "the connection itself was told something");
        assert_eq!(numbers(&signals), None);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let signals = Arc::new(Signals::default());
        let bell = SubscriptionBell::new(&signals, SubscriptionId { stream: "run:1".parse().unwrap(), number: 1 });
        for _ in 0..2 {
            let waiting = tokio::spawn({
                let signals = signals.clone();
                async move { poll_fn(|context| signals.poll_rung(context, &mut Vec::new())).await }
            });
            tokio::task::yield_now().await;
            bell.ring();
            assert!(!waiting.await.unwrap());
        }
    }
}
