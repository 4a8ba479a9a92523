//! Values from a small vocabulary: what two sides say must meet often enough to matter.

use ackwire::wire::{Epoch, EventType, Filter, From, Position, Seq, SeqRange, StreamName, Window};
use arbitrary::{Result, Unstructured};

/// One of two streams.
pub fn stream(choices: &mut Unstructured) -> Result<StreamName> {
    Ok(StreamName::new(choices.choose(&["a", "b"])?).expect("a stream's name"))
}

/// One of two logs.
pub fn epoch(choices: &mut Unstructured) -> Result<Epoch> {
    Ok(Epoch::new(choices.choose(&["e1", "e1", "e1", "e2"])?).expect("an epoch"))
}

/// A low number, or now and then one of the last ones.
pub fn seq(choices: &mut Unstructured) -> Result<Seq> {
    let byte: u8 = choices.arbitrary()?;
    let number = if byte < 0xf0 { u64::from(byte) } else { Seq::MAX.get() - u64::from(0xff - byte) };
    Ok(Seq::new(number).expect("within the bounds"))
}

/// A range, mostly a short one.
pub fn range(choices: &mut Unstructured) -> Result<SeqRange> {
    let after = seq(choices)?;
    let upto = Seq::new(after.get() + 1 + u64::from(choices.arbitrary::<u8>()? % 40)).unwrap_or(Seq::MAX);
    Ok(SeqRange::new(after, upto).unwrap_or(SeqRange::single(Seq::MAX).expect("not empty")))
}

/// A few ranges, or now and then more than anyone may name.
pub fn ranges(choices: &mut Unstructured) -> Result<Vec<SeqRange>> {
    let count = match choices.int_in_range(0..=15)? {
        15 => 65,
        some => some % 4,
    };
    (0..count).map(|_| range(choices)).collect()
}

/// Any beginning.
pub fn from(choices: &mut Unstructured) -> Result<From> {
    Ok(match choices.int_in_range(0..=5)? {
        0 => From::Start,
        1 => From::Now,
        2 => From::Position(Position { epoch: epoch(choices)?, seq: seq(choices)? }),
        _ => From::Resume,
    })
}

/// A small window, whose limits are soon reached.
pub fn window(choices: &mut Unstructured) -> Result<Window> {
    Ok(Window::new(choices.int_in_range(1..=20)?, choices.int_in_range(1024..=4096)?).expect("within the bounds"))
}

/// Usually none.
pub fn filter(choices: &mut Unstructured) -> Result<Option<Filter>> {
    let types = Some(vec![EventType::new("third").expect("a type")]);
    Ok(choices.ratio(1, 8)?.then(|| Filter { types, ..Filter::default() }))
}
