//! Who waits for which stream.

use ackwire::wire::StreamName;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// With fewer channels than this nobody looks for those that are not watched any more.
const MIN_SWEPT: usize = 64;

/// One channel for each stream that someone watches. Channels that nobody watches any more go when their stream changes,
/// and all of them whenever there are twice as many as were left the last time.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Channels>);

#[derive(Default)]
struct Channels {
    by_stream: HashMap<StreamName, watch::Sender<u64>>,
    /// How many were left by the last sweep.
    left: usize,
}

impl Watchers {
    pub(super) fn watch(&self, stream: &StreamName) -> watch::Receiver<u64> {
        let mut channels = self.lock();
        channels.sweep();
        channels.by_stream.entry(stream.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes those who watch the stream; forgets it if nobody does any more.
    pub(super) fn wake(&self, stream: &StreamName) {
        let channels = &mut self.lock().by_stream;
        let Some(channel) = channels.get(stream) else { return };
        if channel.receiver_count() == 0 {
            channels.remove(stream);
        } else {
            channel.send_modify(|changes| *changes += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        // No code that holds the lock can leave the map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    fn sweep(&mut self) {
        if self.by_stream.len() >= MIN_SWEPT.max(2 * self.left) {
            self.by_stream.retain(|_, channel| channel.receiver_count() > 0);
            self.left = self.by_stream.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: usize) -> StreamName {
        StreamName::new(&format!("run:{number}")).unwrap()
    }

    #[test]
    fn channels_that_nobody_watches_do_not_pile_up() {
        let watchers = Watchers::default();
        let mut watched: Vec<_> = (0..100).map(|number| watchers.watch(&stream(number))).collect();
        for number in 100..10_000 {
            drop(watchers.watch(&stream(number)));
            assert!(watchers.lock().by_stream.len() <= 2 * watched.len() + MIN_SWEPT, "after {number}");
        }
        (0..100).for_each(|number| watchers.wake(&stream(number)));
        assert!(watched.iter_mut().all(|receiver| receiver.has_changed().unwrap()), "who watches is still woken");
    }
}
