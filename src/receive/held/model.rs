//! Against a plain list of frames, in the order in which they begin.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Held, HeldFrame, HeldKind, MAX_HELD_FRAMES};
use crate::receive::Head;
use crate::wire::{LostReason, Seq, SeqRange};

/// All that happens lies in 0..=LAST.
const LAST: u64 = 30;

#[derive(Clone, Debug)]
enum Op {
    Insert(HeldFrame<u32>),
    PopReady(Seq),
    PopBefore(Seq),
    Clear,
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn place() -> impl Strategy<Value = Seq> {
    (0..=LAST).prop_map(seq)
}

/// The payload tells frames of the same range apart.
fn frame() -> impl Strategy<Value = HeldFrame<u32>> {
    (0..LAST, 1..8u64, prop::option::weighted(0.8, 0..4usize), any::<u32>()).prop_map(
        |(after, length, events, payload)| {
            let range = SeqRange::new(seq(after), seq((after + length).min(LAST))).unwrap();
            let head = |n| Head { seq: seq(n), id_hash: n, attempt: 1, critical: false };
            let kind = match events {
                Some(events) => {
                    let heads = (after + 1..=range.upto().get()).take(events).map(head).collect();
                    HeldKind::Events { heads, payload }
                }
                None => HeldKind::Lost(LostReason::Expired),
            };
            HeldFrame { range, kind }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => frame().prop_map(Op::Insert),
        4 => place().prop_map(Op::PopReady),
        4 => place().prop_map(Op::PopBefore),
        1 => Just(Op::Clear),
    ]
}

/// After, upto, payload, number of events.
type Plain = (u64, u64, Option<u32>, usize);

fn plain(frame: &HeldFrame<u32>) -> Plain {
    let (payload, events) = match &frame.kind {
        HeldKind::Events { heads, payload } => (Some(*payload), heads.len()),
        HeldKind::Lost(_) => (None, 0),
    };
    (frame.range.after().get(), frame.range.upto().get(), payload, events)
}

struct Model {
    max_events: usize,
    frames: Vec<Plain>,
}

impl Model {
    fn events(&self) -> usize {
        self.frames.iter().map(|(.., events)| events).sum()
    }

    /// Whether a held frame says it all.
    fn covers(&self, (after, upto, ..): Plain) -> bool {
        self.frames.iter().any(|held| held.0 <= after && held.1 >= upto)
    }

    fn insert(&mut self, frame: Plain) {
        self.frames.push(frame);
        // Stable, and of two that begin together the later one comes first.
        self.frames.sort_by_key(|held| (held.0, *held != frame));
        while self.frames.len() > 1 && self.events() > self.max_events {
            self.frames.pop();
        }
    }

    fn pop_if(&mut self, wanted: impl Fn(u64) -> bool) -> Option<Plain> {
        self.frames.first().is_some_and(|first| wanted(first.0)).then(|| self.frames.remove(0))
    }

    /// Which numbers in (cursor, heard] no frame covers.
    fn missing(&self, cursor: u64, heard: u64) -> Vec<u64> {
        let covered: BTreeSet<u64> = self.frames.iter().flat_map(|(after, upto, ..)| after + 1..=*upto).collect();
        (cursor + 1..=heard).filter(|n| !covered.contains(n)).collect()
    }
}

/// The first comes first.
fn frames(held: &Held<u32>) -> Vec<Plain> {
    held.frames.iter().rev().map(plain).collect()
}

fn check(held: &Held<u32>, model: &Model, cursor: u64, heard: u64) {
    assert_eq!(frames(held), model.frames);
    assert_eq!(held.len(), model.events());
    let holes = held.missing(seq(cursor), seq(heard), usize::MAX);
    for max in [0, 1, 2] {
        assert_eq!(held.missing(seq(cursor), seq(heard), max), holes[..max.min(holes.len())]);
    }
    assert!(holes.is_sorted_by(|a, b| a.upto() < b.after()), "ascending and apart: {holes:?}");
    let missing: Vec<u64> = holes.iter().flat_map(|hole| hole.after().get() + 1..=hole.upto().get()).collect();
    assert_eq!(missing, model.missing(cursor, heard), "missing in ({cursor}, {heard}]");
}

proptest! {
    #[test]
    fn aw_recv_4_the_reorder_buffer_is_a_sorted_list(
        max_events in 0..20usize,
        ops in prop::collection::vec((op(), 0..=LAST, 0..=LAST), 1..60),
    ) {
        let mut held = Held::new(max_events);
        let mut model = Model { max_events, frames: Vec::new() };
        for (op, cursor, heard) in ops {
            match op {
                Op::Insert(frame) => {
                    let new = plain(&frame);
                    held.insert(frame);
                    // What says nothing new may be dropped: it is not looked for among all of them.
                    if !model.covers(new) || frames(&held) != model.frames {
                        model.insert(new);
                    }
                }
                Op::PopReady(cursor) => {
                    let expected = model.pop_if(|after| after <= cursor.get());
                    assert_eq!(held.pop_ready(cursor).as_ref().map(plain), expected);
                }
                Op::PopBefore(upto) => {
                    let expected = model.pop_if(|after| after < upto.get());
                    assert_eq!(held.pop_before(upto).as_ref().map(plain), expected);
                }
                Op::Clear => {
                    held.clear();
                    model.frames.clear();
                }
            }
            check(&held, &model, cursor.min(heard), heard);
        }
    }
}

#[test]
fn aw_recv_4_frames_that_list_nothing_are_bounded_too() {
    let mut held: Held<()> = Held::new(10);
    let most = MAX_HELD_FRAMES as u64;
    for n in (1..=most + 1).rev() {
        let range = SeqRange::single(seq(2 * n)).unwrap();
        held.insert(HeldFrame { range, kind: HeldKind::Lost(LostReason::Expired) });
        assert_eq!(held.frames.len() as u64, (most + 2 - n).min(most));
    }
    assert_eq!(held.frames.last().map(|frame| frame.range.upto()), Some(seq(2)));
    assert_eq!(held.frames.first().map(|frame| frame.range.upto()), Some(seq(2 * most)), "the furthest was let go");
}
