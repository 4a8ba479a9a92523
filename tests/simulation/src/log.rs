//! The log of one stream, and what an oracle remembers of it.

use ackwire::deliver::{Entry, Page, ReadRequest, Tail};
use ackwire::wire::{Epoch, Event, EventId, EventType, Meta, Priority, Seq};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// A stream's log. Like a real one it is idempotent by id, may be sparse, and may be trimmed.
#[derive(Debug)]
pub struct StreamLog {
    epoch: Epoch,
    incarnation: u32,
    entries: VecDeque<Arc<Entry>>,
    ids: HashMap<EventId, Seq>,
    head: Seq,
    trimmed_upto: Seq,
    ended: bool,
    /// Everything that any incarnation ever held: what may be applied at all.
    pub ever: BTreeMap<(Epoch, Seq), EventId>,
}

impl StreamLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            epoch: epoch(1),
            incarnation: 1,
            entries: VecDeque::new(),
            ids: HashMap::new(),
            head: Seq::ZERO,
            trimmed_upto: Seq::ZERO,
            ended: false,
            ever: BTreeMap::new(),
        }
    }

    /// Appends an event, `gap` seqs beyond the next. `None` if it is known or the stream has ended.
    pub fn append(&mut self, id: EventId, priority: Priority, gap: u64) -> Option<Seq> {
        if self.ended || self.ids.contains_key(&id) {
            return None;
        }
        let seq = Seq::new(self.head.get() + 1 + gap).expect("a simulation stays below 2^53");
        let data = RawValue::from_string(format!("{{\"n\":{seq}}}")).expect("JSON");
        let event_type = EventType::new(if seq.get().is_multiple_of(3) { "third" } else { "event" }).expect("a type");
        let event = Event {
            seq,
            id: id.clone(),
            event_type,
            time: 0,
            data,
            priority,
            attempt: 1,
            meta: Meta::new(),
            deadline_ms: None,
            retries: None,
        };
        self.entries.push_back(Arc::new(Entry::new(event)));
        self.ids.insert(id.clone(), seq);
        self.ever.insert((self.epoch.clone(), seq), id);
        self.head = seq;
        Some(seq)
    }

    /// The stream is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Retention takes the oldest events, but for the last `keep`.
    pub fn trim(&mut self, keep: usize) {
        while self.entries.len() > keep {
            let Some(gone) = self.entries.pop_front() else { return };
            self.trimmed_upto = gone.event().seq;
        }
    }

    /// A crash took the last `count` events: what is left is another log [AW-EPOCH].
    pub fn lose_tail(&mut self, count: usize) {
        for gone in self.entries.split_off(self.entries.len().saturating_sub(count)) {
            self.ids.remove(&gone.event().id);
        }
        self.ended = false;
        self.head = self.entries.back().map_or(self.trimmed_upto, |last| last.event().seq);
        self.incarnation += 1;
        self.epoch = epoch(self.incarnation);
        for entry in &self.entries {
            let event = entry.event();
            self.ever.insert((self.epoch.clone(), event.seq), event.id.clone());
        }
    }

    /// Where it stands.
    pub fn tail(&self) -> Tail {
        let oldest = self.trimmed_upto.next().expect("a simulation stays below 2^53");
        Tail { epoch: self.epoch.clone(), oldest, head: self.head, ended: self.ended }
    }

    /// Answers a feed.
    pub fn read(&self, request: &ReadRequest) -> Page {
        let from = self.entries.partition_point(|entry| entry.event().seq <= request.range.after());
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut upto = request.range.upto();
        for entry in self.entries.iter().skip(from).take_while(|entry| request.range.contains(entry.event().seq)) {
            bytes += entry.bytes();
            let full = entries.len() >= request.max_events as usize || bytes > request.max_bytes as usize;
            if full && !entries.is_empty() {
                upto = entries.last().map_or(upto, |last: &Arc<Entry>| last.event().seq);
                break;
            }
            entries.push(entry.clone());
        }
        let Tail { epoch, oldest, .. } = self.tail();
        Page { epoch, entries, upto, oldest }
    }

    /// What it holds now, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().map(|entry| entry.event())
    }
}

impl Default for StreamLog {
    fn default() -> Self {
        Self::new()
    }
}

fn epoch(incarnation: u32) -> Epoch {
    Epoch::new(&format!("e{incarnation}")).expect("an epoch")
}
