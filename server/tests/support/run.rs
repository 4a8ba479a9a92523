//! A stream whose seqs are counted.

use ackwire::wire::{Epoch, Seq, SeqRange, StreamName};
use ackwire_server::log::{Log, LogError, NewEvent, Page, PageLimit};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// A stream, and the seqs that it has given. They rise and may leave some out ([AW-SEQ]); tests count them from 1.
pub struct Run {
    log: Arc<dyn Log>,
    pub name: StreamName,
    given: Mutex<BTreeSet<u64>>,
}

impl Run {
    pub fn of(log: &Arc<dyn Log>, name: &str) -> Self {
        Self { log: log.clone(), name: StreamName::new(name).unwrap(), given: Mutex::default() }
    }

    /// The number of each event's seq, and whether it was there already.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<(usize, bool)>, LogError> {
        let appended = self.log.append(&self.name, events).await?;
        self.given.lock().unwrap().extend(appended.events.iter().map(|placed| placed.seq.get()));
        Ok(appended.events.iter().map(|placed| (self.number(placed.seq), placed.duplicate)).collect())
    }

    /// How many seqs were given up to this one.
    pub fn number(&self, seq: Seq) -> usize {
        self.given.lock().unwrap().range(..=seq.get()).count()
    }

    /// The seq of a number; what was not given yet lies beyond the last.
    pub fn seq(&self, number: usize) -> Seq {
        let given = self.given.lock().unwrap();
        let last = given.last().copied().unwrap_or(0);
        let beyond = || last + (number - given.len()) as u64;
        let seq = if number == 0 { 0 } else { given.iter().nth(number - 1).copied().unwrap_or_else(beyond) };
        Seq::new(seq).unwrap()
    }

    pub fn range(&self, after: usize, upto: usize) -> SeqRange {
        SeqRange::new(self.seq(after), self.seq(upto)).unwrap()
    }

    pub async fn read(&self, after: usize, upto: usize, limit: PageLimit) -> Page {
        self.log.read(&self.name, self.range(after, upto), limit).await.unwrap()
    }

    pub fn numbers(&self, page: &Page) -> Vec<usize> {
        page.entries.iter().map(|entry| self.number(entry.seq())).collect()
    }

    /// The numbers of its oldest and newest seq, and how many events it has.
    pub async fn tail(&self) -> (usize, usize, u64) {
        let tail = self.log.tail(&self.name).await.unwrap();
        (self.number(tail.oldest.before()) + 1, self.number(tail.head), tail.events)
    }

    pub async fn epoch(&self) -> Epoch {
        self.log.tail(&self.name).await.unwrap().epoch
    }
}
