//! Saves what has changed, many consumers at a time.

use std::sync::{Arc, Weak};
use tokio::time::{Duration, sleep};

use super::{Hub, Slot, lock};
use crate::log::LogError;

/// How long changes gather: what a crash may make the server forget of confirmations. The client repeats them
/// [AW-ACK-6].
const GATHER: Duration = Duration::from_millis(50);
/// How long a failed save waits before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Until the hub is gone.
pub(super) async fn run(hub: Weak<Hub>) {
    loop {
        let Some(strong) = hub.upgrade() else { return };
        // The wait must not keep the hub alive: a hub that nobody holds is never notified.
        let is_dirty = tokio::time::timeout(TRY_AGAIN, strong.is_dirty.notified()).await.is_ok();
        drop(strong);
        if !is_dirty {
            continue;
        }
        sleep(GATHER).await;
        let Some(hub) = hub.upgrade() else { return };
        if let Err(error) = save(&hub).await {
            tracing::warn!(%error, "what became of events was not saved; it is tried again");
            sleep(TRY_AGAIN).await;
            hub.is_dirty.notify_one();
        }
    }
}

pub(super) async fn save(hub: &Hub) -> Result<(), LogError> {
    let changed = std::mem::take(&mut *lock(&hub.dirty));
    let saves = changed.iter().filter_map(|slot| {
        slot.unqueue();
        slot.to_save()
    });
    let saves: Vec<_> = saves.collect();
    if !saves.is_empty()
        && let Err(error) = hub.keep(saves).await
    {
        changed.iter().for_each(Slot::queue);
        return Err(error);
    }
    let mut slots = lock(&hub.slots);
    for slot in changed {
        let name = (slot.stream().clone(), slot.key().clone());
        // What another server has is out of the memory already.
        if !slot.is_idle() || slot.is_lost() {
            continue;
        }
        // The map's and this one: nobody else is about to use it. Whoever is, looks at it only for a moment.
        match Arc::strong_count(&slot) {
            2 => drop(slots.remove(&name)),
            _ => slot.queue(),
        }
    }
    Ok(())
}
