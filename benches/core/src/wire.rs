//! The native codec: what a frame from a client costs to read.

use ackwire::wire::{Ack, ClientFrame, Epoch, Seq, SeqRange, StreamName, decode_client};
use std::hint::black_box;

use crate::{Scenario, Work};

const FRAMES: u64 = 2_000;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("wire: an ack is read", (FRAMES, "frame"), || reading(0)),
        Scenario::new("wire: an ack with 32 holes is read", (FRAMES, "frame"), || reading(32)),
        Scenario::new("wire: an ack is written", (FRAMES, "frame"), writing),
    ]
}

fn reading(holes: u64) -> Work {
    let text = ClientFrame::Ack(ack(holes)).to_json();
    Box::new(move || (0..FRAMES).for_each(|_| drop(black_box(decode_client(black_box(&text))))))
}

fn writing() -> Work {
    let frame = ClientFrame::Ack(ack(0));
    Box::new(move || (0..FRAMES).for_each(|_| drop(black_box(black_box(&frame).to_json()))))
}

fn ack(holes: u64) -> Ack {
    let seq = |n: u64| Seq::new(n).expect("below 2^53");
    let also = (1..=holes).map(|n| SeqRange::single(seq(100_000 + 2 * n)).expect("above 0")).collect();
    let stream = StreamName::new("run:1").expect("a name");
    Ack::new(stream, Epoch::new("one").expect("an epoch"), seq(100_000), also)
}
