//! Who waits for which stream.

use ackwire::wire::StreamName;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// One channel for each stream that someone watches.
#[derive(Default)]
pub(super) struct Watchers(Mutex<HashMap<StreamName, watch::Sender<u64>>>);

impl Watchers {
    pub(super) fn watch(&self, stream: &StreamName) -> watch::Receiver<u64> {
        self.lock().entry(stream.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes those who watch the stream; forgets it if nobody does any more.
    pub(super) fn wake(&self, stream: &StreamName) {
        let mut channels = self.lock();
        let Some(channel) = channels.get(stream) else { return };
        if channel.receiver_count() == 0 {
            channels.remove(stream);
        } else {
            channel.send_modify(|changes| *changes += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamName, watch::Sender<u64>>> {
        // No code that holds the lock can leave the map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
