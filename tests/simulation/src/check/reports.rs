//! What consumers are known to have said of themselves [AW-ACK-8].

use ackwire::deliver::{Feed, Reported};
use ackwire::receive::Positions;
use ackwire::wire::Epoch;
use std::collections::BTreeMap;

use crate::server::Key;

#[derive(Debug, Default)]
pub struct Reports {
    /// How far each consumer has come in each log, in any tab and life.
    reached: BTreeMap<Key, BTreeMap<Epoch, Reported>>,
    known: BTreeMap<Key, Known>,
}

/// What the server knew of it.
#[derive(Debug)]
struct Known {
    /// On which subscription.
    number: (u64, u64),
    epoch: Epoch,
    /// Where the feed began.
    start: Reported,
    /// At the step before.
    before: Reported,
}

impl Reports {
    /// A page has come as far as this.
    pub fn note(&mut self, key: &Key, at: &Positions) {
        let Some(epoch) = at.epoch.clone() else { return };
        let reached = self.reached.entry(key.clone()).or_default().entry(epoch).or_default();
        reached.received = reached.received.max(at.received);
        reached.delivered = reached.delivered.max(at.delivered);
    }

    /// Looks at what the server knows of a consumer by this subscription: it never goes back, and is never more than true.
    pub fn look(&mut self, key: &Key, feed: &Feed, number: (u64, u64)) {
        let (epoch, now) = (feed.tracker().epoch(), feed.tracker().reported());
        let who = || format!("{}, {}: {now:?}", key.1, key.0);
        assert!(now.delivered <= now.received, "{}", who());
        let Some(known) = self.known.get_mut(key).filter(|known| known.number == number && known.epoch == *epoch)
        else {
            // Nothing is reported in the step in which the feed begins.
            let known = Known { number, epoch: epoch.clone(), start: now, before: now };
            self.known.insert(key.clone(), known);
            return;
        };
        if known.before == now {
            return;
        }
        let before = std::mem::replace(&mut known.before, now);
        let rises = before.delivered <= now.delivered && before.received <= now.received;
        assert!(rises, "{} after {before:?}: a reported position went back", who());
        let reached = self.reached.get(key).and_then(|logs| logs.get(epoch)).copied().unwrap_or_default();
        let reached = reached.at_least(known.start.received);
        let is_true = now.delivered <= reached.delivered && now.received <= reached.received;
        assert!(is_true, "{}: has come to {reached:?} only", who());
    }
}
