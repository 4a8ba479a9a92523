//! The log of one stream, and what an oracle remembers of it.

use ackwire::base::RangeSet;
use ackwire::deliver::{Entry, Page, ReadRequest, Tail};
use ackwire::wire::{Epoch, Event, EventId, EventType, Meta, Priority, Seq, SeqRange};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// What a producer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Under which id.
    pub id: EventId,
    /// How urgent.
    pub priority: Priority,
    /// How many seqs are left out before it.
    pub gap: u64,
    /// How many bytes its data has besides.
    pub padding: usize,
    /// How long its consumers have.
    pub deadline_ms: Option<u32>,
    /// How often it is tried again.
    pub retries: Option<u32>,
}

impl Wanted {
    /// A small event right after the last.
    pub fn new(id: EventId) -> Self {
        Self { id, priority: Priority::Normal, gap: 0, padding: 0, deadline_ms: None, retries: None }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log now.
    New(Seq),
    /// It was there before.
    Known(Seq),
    /// The stream takes no more.
    Ended,
}

/// A stream's log. Like a real one it is idempotent by id, may be sparse, and may be trimmed.
#[derive(Debug)]
pub struct StreamLog {
    epoch: Epoch,
    incarnation: u32,
    entries: VecDeque<Arc<Entry>>,
    ids: HashMap<EventId, Seq>,
    head: Seq,
    trimmed_upto: Seq,
    compacted: RangeSet,
    ended: bool,
    /// Everything that any incarnation ever held: what may be applied at all.
    ever: HashMap<Epoch, BTreeMap<Seq, EventId>>,
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
            compacted: RangeSet::new(),
            ended: false,
            ever: HashMap::new(),
        }
    }

    /// Appends an event, `gap` seqs beyond the next. `None` if it is known or the stream has ended.
    pub fn append(&mut self, id: EventId, priority: Priority, gap: u64) -> Option<Seq> {
        match self.append_wanted(&Wanted { priority, gap, ..Wanted::new(id) }) {
            Appended::New(seq) => Some(seq),
            Appended::Known(_) | Appended::Ended => None,
        }
    }

    /// Appends what a producer wants.
    pub fn append_wanted(&mut self, wanted: &Wanted) -> Appended {
        let Wanted { id, priority, gap, padding, deadline_ms, retries } = wanted.clone();
        if let Some(seq) = self.ids.get(&id) {
            return Appended::Known(*seq);
        }
        if self.ended {
            return Appended::Ended;
        }
        let seq = Seq::new(self.head.get() + 1 + gap).expect("a simulation stays below 2^53");
        let data = match padding {
            0 => format!("{{\"n\":{seq}}}"),
            _ => format!("{{\"n\":{seq},\"padding\":\"{:padding$}\"}}", ""),
        };
        let event_type = EventType::new(if seq.get().is_multiple_of(3) { "third" } else { "event" }).expect("a type");
        let event = Event {
            seq,
            id: id.clone(),
            event_type,
            time: 0,
            data: RawValue::from_string(data).expect("JSON"),
            priority,
            attempt: 1,
            meta: Meta::new(),
            deadline_ms,
            retries,
        };
        self.entries.push_back(Arc::new(Entry::new(event)));
        self.ids.insert(id.clone(), seq);
        self.ever.entry(self.epoch.clone()).or_default().insert(seq, id);
        self.head = seq;
        Appended::New(seq)
    }

    /// The stream is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Retention takes the oldest events, but for the last `keep`.
    pub fn trim(&mut self, keep: usize) {
        while self.entries.len() > keep {
            let Some(gone) = self.entries.pop_front() else { return };
            self.trimmed_upto = gone.seq();
        }
    }

    /// Compaction takes the events that `goes` picks, wherever they stand.
    pub fn compact(&mut self, mut goes: impl FnMut(&Event) -> bool) {
        let compacted = &mut self.compacted;
        self.entries.retain(|entry| {
            let gone = goes(entry.event());
            if gone {
                SeqRange::single(entry.seq()).into_iter().for_each(|single| compacted.insert(single));
            }
            !gone
        });
    }

    /// A crash took the last `count` events: what is left is another log [AW-EPOCH].
    pub fn lose_tail(&mut self, count: usize) {
        for gone in self.entries.split_off(self.entries.len().saturating_sub(count)) {
            self.ids.remove(&gone.head().id);
        }
        self.head = self.entries.back().map_or(self.trimmed_upto, |last| last.seq());
        self.begin_epoch();
    }

    /// Somebody deleted the stream, and it begins anew.
    pub fn recreate(&mut self) {
        self.entries.clear();
        self.ids.clear();
        self.head = Seq::ZERO;
        self.trimmed_upto = Seq::ZERO;
        self.begin_epoch();
    }

    /// Where it stands.
    pub fn tail(&self) -> Tail {
        let oldest = self.trimmed_upto.next().expect("a simulation stays below 2^53");
        Tail { epoch: self.epoch.clone(), oldest, head: self.head, ended: self.ended }
    }

    /// Answers a feed.
    pub fn read(&self, request: &ReadRequest) -> Page {
        let from = self.entries.partition_point(|entry| entry.seq() <= request.range.after());
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut upto = request.range.upto();
        for entry in self.entries.iter().skip(from).take_while(|entry| request.range.contains(entry.seq())) {
            bytes += entry.bytes();
            let full = entries.len() >= request.max_events as usize || bytes > request.max_bytes as usize;
            if full && !entries.is_empty() {
                upto = entries.last().map_or(upto, |last: &Arc<Entry>| last.seq());
                break;
            }
            entries.push(entry.clone());
        }
        let Tail { epoch, oldest, .. } = self.tail();
        let covered = SeqRange::new(request.range.after(), upto);
        let compacted = self.compacted.iter().filter_map(|range| range.intersection(covered?)).collect();
        Page { epoch, entries, upto, oldest, compacted }
    }

    /// What it holds now, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        self.entries.iter().map(|entry| entry.event())
    }

    /// The event at a place, if the log holds it.
    pub fn get(&self, seq: Seq) -> Option<&Event> {
        let at = self.entries.partition_point(|entry| entry.seq() < seq);
        self.entries.get(at).map(|entry| entry.event()).filter(|event| event.seq == seq)
    }

    /// What an incarnation ever held in a range, in order.
    pub fn ever_in(&self, epoch: &Epoch, range: SeqRange) -> impl Iterator<Item = (Seq, &EventId)> {
        let within = (Bound::Excluded(range.after()), Bound::Included(range.upto()));
        let all = self.ever.get(epoch).into_iter().flat_map(move |ever| ever.range(within));
        all.map(|(seq, id)| (*seq, id))
    }

    /// The event that an incarnation ever held at a place.
    pub fn ever_at(&self, epoch: &Epoch, seq: Seq) -> Option<&EventId> {
        self.ever.get(epoch)?.get(&seq)
    }

    fn begin_epoch(&mut self) {
        self.ended = false;
        self.compacted.clear();
        self.incarnation += 1;
        self.epoch = epoch(self.incarnation);
        let held = self.entries.iter().map(|entry| (entry.seq(), entry.head().id.clone()));
        self.ever.insert(self.epoch.clone(), held.collect());
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
