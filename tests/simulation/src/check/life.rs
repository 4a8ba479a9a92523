//! One subscription in one page life.

use ackwire::receive::Positions;
use ackwire::wire::{Epoch, EventId, From, LostReason, Seq};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::account::Account;
use crate::log::StreamLog;
use crate::reader::Reader;
use crate::seen::Seen;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Life {
    looked_at: usize,
    /// How many events had come.
    arrivals: u64,
    epoch: Option<Epoch>,
    /// The highest seq that began for the first time.
    began: Seq,
    /// The highest attempt of each that began, and the number of its first arrival.
    attempts: BTreeMap<Seq, (u32, u64)>,
    /// By the number of the arrival from which on its id was remembered.
    applied: HashMap<EventId, u64>,
    /// The same by place, and what earlier subscriptions of the page to this stream have applied: a new one knows their
    /// position, but not their ids. It holds in their log, and not for what an operator sends once more.
    places: HashSet<(Epoch, Seq)>,
    is_subscribed: bool,
    /// Which connection it was, while there is one.
    link: Option<u64>,
    positions: [Seq; 3],
    positions_of: Option<Epoch>,
}

impl Life {
    /// A subscription, and the one to the same stream that this page had before.
    pub fn after(earlier: Option<&Self>, reader: &Reader) -> Self {
        // Only who resumes wants nothing again.
        let earlier = earlier.filter(|_| reader.from == From::Resume);
        Self { places: earlier.map(|earlier| earlier.places.clone()).unwrap_or_default(), ..Self::default() }
    }

    /// Whether events have come since this was asked last.
    pub fn has_arrivals(&mut self, reader: &Reader) -> bool {
        std::mem::replace(&mut self.arrivals, reader.arrivals) < reader.arrivals
    }

    /// Whether there is anything that was not looked at.
    pub fn has_news(&self, reader: &Reader) -> bool {
        reader.seen.len() > self.looked_at
    }

    /// Looks at what is new. So many ids are remembered [AW-RECV-5].
    pub fn look(&mut self, reader: &Reader, log: &StreamLog, dedupe_window: usize, account: &mut Account) {
        for seen in &reader.seen[self.looked_at..] {
            self.look_at(seen, reader, log, dedupe_window, account);
        }
        self.looked_at = reader.seen.len();
    }

    fn look_at(&mut self, seen: &Seen, reader: &Reader, log: &StreamLog, dedupe_window: usize, account: &mut Account) {
        let stream = &reader.stream;
        match seen {
            Seen::Subscribed { epoch, after } => {
                self.enter(epoch);
                if reader.from == From::Now && !std::mem::replace(&mut self.is_subscribed, true) {
                    account.pass(epoch, *after);
                }
            }
            Seen::Began { epoch, seq, id, attempt, number } => {
                self.enter(epoch);
                let logged = log.ever_at(epoch, *seq);
                assert_eq!(logged, Some(id), "{stream}: {seq} was never in the log like this");
                if let Some(remembered) = self.applied.remove(id) {
                    let is_forgotten = number - remembered > dedupe_window as u64;
                    assert!(is_forgotten, "{stream}: {seq} ({id}) was applied before in this page life");
                }
                let again = self.places.contains(&(epoch.clone(), *seq)) && !account.is_dead(epoch, *seq);
                assert!(!again, "{stream}: {seq} ({id}) was applied by an earlier subscription of this page");
                let first = self.attempts.get(seq).map_or(*number, |(_, first)| *first);
                match self.attempts.insert(*seq, (*attempt, first)) {
                    // [AW-RECV-2]: again only with a higher attempt.
                    Some((before, _)) => {
                        assert!(*attempt > before, "{stream}: {seq} came again with attempt {attempt}")
                    }
                    // A dead letter in its second life comes out of order [AW-SEND-9].
                    None if account.is_dead(epoch, *seq) => {}
                    None => {
                        assert!(*seq > self.began, "{stream}: {seq} began after {}", self.began);
                        self.began = *seq;
                    }
                }
            }
            Seen::Applied { epoch, seq, id } => {
                let (_, first) = self.attempts[seq];
                let before = self.applied.insert(id.clone(), first);
                assert!(before.is_none(), "{stream}: {seq} ({id}) was applied twice");
                assert_eq!(self.epoch.as_ref(), Some(epoch), "{stream}: {seq} was applied in another log");
                self.places.insert((epoch.clone(), *seq));
                account.apply(id.clone());
            }
            Seen::Lost { epoch, range, reason } => {
                self.enter(epoch);
                account.lose(epoch, *range);
                for (seq, id) in log.ever_in(epoch, *range) {
                    match reason {
                        LostReason::Failed => {
                            let known = account.is_dead(epoch, seq) || account.has_vouched(id);
                            assert!(known, "{stream}: {seq} is called failed, and was not given up");
                        }
                        LostReason::Expired | LostReason::Compacted => {
                            let is_gone = log.get(seq).is_none() || log.tail().epoch != *epoch;
                            assert!(is_gone, "{stream}: {seq} is called {reason:?}, and the log holds it");
                            let is_trimmed = seq < log.tail().oldest || log.tail().epoch != *epoch;
                            assert!(is_trimmed || *reason == LostReason::Compacted, "{stream}: {seq} has not expired");
                            let applied = self.applied.contains_key(id) && self.attempts.contains_key(&seq);
                            assert!(!applied, "{stream}: {seq} is called lost and was applied");
                        }
                    }
                }
            }
            Seen::Reset { position } => {
                *self = Self {
                    epoch: Some(position.epoch.clone()),
                    began: position.seq,
                    applied: std::mem::take(&mut self.applied),
                    looked_at: self.looked_at,
                    arrivals: self.arrivals,
                    ..Self::default()
                };
            }
            Seen::Ended => {}
        }
    }

    fn enter(&mut self, epoch: &Epoch) {
        let known = self.epoch.get_or_insert_with(|| epoch.clone());
        assert_eq!(known, epoch, "another log without a reset");
    }

    /// [AW-RECV-9]: in order, and never backwards within an epoch. Whether it has moved.
    pub fn look_at_positions(&mut self, at: &Positions, reader: &Reader, link: Option<u64>) -> bool {
        let now = [at.received, at.delivered, at.confirmed];
        assert!(now[0] >= now[1] && now[1] >= now[2], "{}: {now:?}", reader.stream);
        if at.epoch == self.epoch {
            // `received` starts anew with each connection: what was held is forgotten with it.
            let first = usize::from(link.is_none() || link != self.link);
            for (before, now) in self.positions.iter().zip(now).skip(first) {
                assert!(now >= *before, "{}: a position went back from {before} to {now}", reader.stream);
            }
        }
        self.link = link;
        let was_at = std::mem::replace(&mut self.positions, now);
        let is_same_log = std::mem::replace(&mut self.positions_of, at.epoch.clone()) == at.epoch;
        was_at != now || !is_same_log
    }
}
