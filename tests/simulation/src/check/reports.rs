//! What consumers are known to have said of themselves [AW-ACK-8].

use ackwire::deliver::{Feed, Reported};
use ackwire::receive::Positions;
use ackwire::wire::Epoch;
use std::collections::BTreeMap;

use crate::server::Key;

#[derive(Debug, Default)]
pub struct Reports {
    /// How far each consumer has come in each log, in any tab and life.
    reached: BTreeMap<(Key, Epoch), Reported>,
    /// What the server knew of that on which subscription: where the feed began, and at the step before.
    known: BTreeMap<Key, ((u64, u64), Epoch, Reported, Reported)>,
}

impl Reports {
    /// A page has come as far as this.
    pub fn note(&mut self, key: &Key, at: &Positions) {
        let Some(epoch) = at.epoch.clone() else { return };
        let reached = self.reached.entry((key.clone(), epoch)).or_default();
        reached.received = reached.received.max(at.received);
        reached.delivered = reached.delivered.max(at.delivered);
    }

    /// Looks at what the server knows of a consumer by this subscription: it never goes back, and is never more than true.
    pub fn look(&mut self, key: &Key, feed: &Feed, number: (u64, u64)) {
        let (epoch, now) = (feed.tracker().epoch().clone(), feed.tracker().reported());
        let (stream, consumer) = key;
        let who = format!("{consumer}, {stream}: {now:?}");
        assert!(now.delivered <= now.received, "{who}");
        let known = self.known.get(key).filter(|(on, log, ..)| (*on, log) == (number, &epoch));
        if let Some((.., start, before)) = known {
            let rises = before.delivered <= now.delivered && before.received <= now.received;
            assert!(rises, "{who} after {before:?}: a reported position went back");
            let reached = self.reached.get(&(key.clone(), epoch.clone())).copied().unwrap_or_default();
            let reached = reached.at_least(start.received);
            let is_true = now.delivered <= reached.delivered && now.received <= reached.received;
            assert!(is_true, "{who}: has come to {reached:?} only");
        }
        // Nothing is reported in the step in which the feed begins.
        let start = known.map_or(now, |(.., start, _)| *start);
        self.known.insert(key.clone(), (number, epoch, start, now));
    }
}
