//! Saves what has changed, many consumers at a time.

use std::sync::{Arc, Weak};
use tokio::time::{Duration, sleep};

use super::{Hub, Slot, lock};
use crate::log::LogError;

/// How long changes gather: what a crash may make the server forget of confirmations. The client repeats them
/// [AW-ACK-6].
const GATHER: Duration = Duration::from_millis(50);
/// So many consumers are saved as often as a single one. More of them take longer to gather, so that a thousand tabs that
/// confirm all the time do not make the log write twenty thousand rows a second.
const AT_ONCE: usize = 128;
/// How long changes gather at most.
const LONGEST: Duration = Duration::from_millis(500);
/// How long a failed save waits before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Until the hub is gone.
pub(super) async fn run(hub: Weak<Hub>) {
    let mut gather = GATHER;
    loop {
        let Some(strong) = hub.upgrade() else { return };
        // The wait must not keep the hub alive: a hub that nobody holds is never notified.
        let is_dirty = tokio::time::timeout(TRY_AGAIN, strong.is_dirty.notified()).await.is_ok();
        drop(strong);
        if !is_dirty {
            continue;
        }
        sleep(gather).await;
        let Some(hub) = hub.upgrade() else { return };
        match save(&hub).await {
            Ok(saved) => gather = (GATHER * (1 + (saved / AT_ONCE) as u32)).min(LONGEST),
            Err(error) => {
                tracing::warn!(%error, "what became of events was not saved; it is tried again");
                sleep(TRY_AGAIN).await;
                hub.is_dirty.notify_one();
            }
        }
    }
}

/// Saves everything that has changed; how many consumers that were.
pub(super) async fn save(hub: &Hub) -> Result<usize, LogError> {
    let changed = std::mem::take(&mut *lock(&hub.dirty));
    let saves = changed.iter().filter_map(|slot| {
        slot.unqueue();
        slot.to_save()
    });
    let saves: Vec<_> = saves.collect();
    let saved = saves.len();
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
    Ok(saved)
}
