//! What is in memory of one watched stream.

use ackwire::{
    deliver::Entry,
    wire::{Seq, SeqRange},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::Moved;
use crate::log::{Page, PageLimit, Tail};

/// Invariants: `newest` is all that the log has of `(newest_after, head]`; without a tail it is empty. All pages are of the
/// tail's epoch, and nothing in them was trimmed or is missing.
#[derive(Default)]
pub(super) struct Recent {
    tail: Option<Tail>,
    newest_after: Seq,
    newest: VecDeque<Arc<Entry>>,
    /// By where they begin.
    pages: BTreeMap<Seq, Page>,
}

impl Recent {
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    pub fn publish(&mut self, moved: Moved) {
        let Moved { tail, before, entries, .. } = moved;
        let is_same_log = |known: &Tail| known.epoch == tail.epoch;
        if !self.tail.as_ref().is_some_and(|known| is_same_log(known) && known.head == before) {
            self.newest.clear();
            self.newest_after = before;
        }
        self.newest.extend(entries);
        let trimmed_upto = tail.oldest.before();
        while self.newest.front().is_some_and(|entry| entry.seq() <= trimmed_upto) {
            self.newest.pop_front();
        }
        self.newest_after = self.newest_after.max(trimmed_upto);
        self.pages.retain(|after, page| page.epoch == tail.epoch && *after >= trimmed_upto);
        self.tail = Some(tail);
    }

    /// Takes a page that was read, unless it is here already; whether it did.
    pub fn keep(&mut self, after: Seq, page: &Page) -> bool {
        let is_current = |tail: &Tail| tail.epoch == page.epoch && tail.oldest == page.oldest;
        let is_known = self.tail.as_ref().is_some_and(|tail| !is_current(tail) || after >= self.newest_after);
        // A page in which something is missing is read from the log each time.
        let is_whole = page.compacted.is_empty();
        if is_known
            || !is_whole
            || page.entries.is_empty()
            || after < page.oldest.before()
            || self.pages.contains_key(&after)
        {
            return false;
        }
        self.pages.insert(after, page.clone());
        true
    }

    /// Where the stream stands may be known late here, so nothing is said of what lies behind that: a page that is
    /// answered goes further than where the range begins.
    pub fn read(&self, range: SeqRange, limit: PageLimit) -> Option<Page> {
        if let Some(tail) = &self.tail
            && range.after() >= self.newest_after
            && range.after() < tail.head
        {
            let first = self.newest.partition_point(|entry| entry.seq() <= range.after());
            let wanted = self.newest.range(first..).take_while(|entry| entry.seq() <= range.upto());
            let (entries, cut) = Page::gather(wanted, limit);
            let upto = cut.unwrap_or(range.upto().min(tail.head));
            return Some(Page { epoch: tail.epoch.clone(), entries, upto, oldest: tail.oldest, compacted: Vec::new() });
        }
        let (_, page) = self.pages.range(..=range.after()).next_back().filter(|(_, page)| page.upto > range.after())?;
        let first = page.entries.partition_point(|entry| entry.seq() <= range.after());
        let wanted = page.entries[first..].iter().take_while(|entry| entry.seq() <= range.upto());
        let (entries, cut) = Page::gather(wanted, limit);
        let upto = cut.unwrap_or(range.upto().min(page.upto));
        Some(Page { epoch: page.epoch.clone(), entries, upto, oldest: page.oldest, compacted: Vec::new() })
    }

    /// Lets the oldest of the newest events go.
    pub fn drop_newest(&mut self, events: usize) {
        for entry in self.newest.drain(..events.min(self.newest.len())) {
            self.newest_after = entry.seq();
        }
    }

    /// Lets a page go.
    pub fn drop_page(&mut self, after: Seq) {
        self.pages.remove(&after);
    }
}

#[cfg(test)]
impl Recent {
    /// How many events are held, in pages or not.
    pub fn events(&self) -> usize {
        self.newest.len() + self.pages.values().map(|page| page.entries.len()).sum::<usize>()
    }
}
