//! What a connection hears from outside of its task.

use futures_util::task::AtomicWaker;
use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use super::jobs::SubscriptionId;
use crate::log::Bell;

/// The subscriptions of a connection that something has happened to.
#[derive(Default)]
pub(super) struct Signals {
    /// Each once, so at most as many as there are subscriptions, and those that ended since.
    rung: Mutex<Vec<Arc<SubscriptionBell>>>,
    waker: AtomicWaker,
}

/// A subscription's: rings when its stream has moved, or something was done to its feed.
pub(super) struct SubscriptionBell {
    pub id: SubscriptionId,
    signals: Arc<Signals>,
    is_rung: AtomicBool,
    /// Itself, to be put among those that have rung.
    own: std::sync::Weak<Self>,
}

impl SubscriptionBell {
    pub fn new(signals: &Arc<Signals>, id: SubscriptionId) -> Arc<Self> {
        let (signals, is_rung) = (signals.clone(), AtomicBool::new(false));
        Arc::new_cyclic(|own| Self { id, signals, is_rung, own: own.clone() })
    }
}

impl Bell for SubscriptionBell {
    fn ring(&self) {
        if self.is_rung.swap(true, Ordering::SeqCst) {
            return;
        }
        self.signals.lock().extend(self.own.upgrade());
        self.signals.waker.wake();
    }
}

impl Signals {
    /// Ends once something has rung. One task waits at a time.
    pub async fn rung(&self) {
        poll_fn(|context| {
            // In this order nothing is missed.
            self.waker.register(context.waker());
            if self.lock().is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Takes those that have rung; they may ring again at once.
    pub fn take(&self) -> Vec<Arc<SubscriptionBell>> {
        let rung = std::mem::take(&mut *self.lock());
        rung.iter().for_each(|bell| bell.is_rung.store(false, Ordering::SeqCst));
        rung
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SubscriptionBell>>> {
        // Nothing that holds the lock can panic half-way.
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_bell_that_rings_many_times_is_heard_once_until_it_is_taken() {
        let signals = Arc::new(Signals::default());
        let bells = [1, 2]
            .map(|number| SubscriptionBell::new(&signals, SubscriptionId { stream: "run:1".parse().unwrap(), number }));
        assert_eq!(signals.rung().now_or_never(), None);
        for _ in 0..1_000 {
            bells.iter().for_each(|bell| bell.ring());
        }
        signals.rung().await;
        let numbers = |rung: Vec<Arc<SubscriptionBell>>| rung.iter().map(|bell| bell.id.number).collect::<Vec<_>>();
        assert_eq!(numbers(signals.take()), [1, 2]);
        assert_eq!(signals.rung().now_or_never(), None);
        bells[1].ring();
        assert_eq!(numbers(signals.take()), [2]);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let signals = Arc::new(Signals::default());
        let bell = SubscriptionBell::new(&signals, SubscriptionId { stream: "run:1".parse().unwrap(), number: 1 });
        let waiting = tokio::spawn({
            let signals = signals.clone();
            async move { signals.rung().await }
        });
        tokio::task::yield_now().await;
        bell.ring();
        waiting.await.unwrap();
    }
}
