//! What a server may say that keeps to no rule but the frames' own.

use ackwire::receive::Head;
use ackwire::wire::{
    ConsumerId, ErrorCode, EventId, LostRange, LostReason, Position, Seq, ServerFrame, ServerInfo, Subscribed, Welcome,
};
use arbitrary::{Result, Unstructured};

use crate::words;

/// An `events` frame's heads.
pub struct Events {
    pub after: Seq,
    pub upto: Seq,
    pub requeued: bool,
    pub heads: Vec<Head>,
}

pub fn welcome(choices: &mut Unstructured) -> Result<ServerFrame> {
    Ok(ServerFrame::Welcome(Welcome {
        connection: "1".into(),
        consumer: ConsumerId::new("tab").expect("a name"),
        heartbeat_ms: *choices.choose(&[25_000, 25_000, 100, 0, u32::MAX])?,
        max_frame_bytes: *choices.choose(&[262_144, 262_144, 10])?,
        token_expires_in_ms: *choices.choose(&[None, None, Some(60_000), Some(0), Some(u64::MAX)])?,
        server: ServerInfo { name: "hostile".into(), version: "0".into() },
    }))
}

/// Any frame but `events`; `subscribed` most of the time, for without it there is no feed.
pub fn frame(choices: &mut Unstructured) -> Result<ServerFrame> {
    Ok(match choices.int_in_range(0..=15)? {
        0 => welcome(choices)?,
        1 | 2 => ServerFrame::Lost { stream: words::stream(choices)?, range: lost(choices)? },
        3 => ServerFrame::Ended { stream: words::stream(choices)?, seq: words::seq(choices)? },
        4 => ServerFrame::Published {
            id: EventId::new("p1").expect("an id"),
            stream: words::stream(choices)?,
            seq: words::seq(choices)?,
            duplicate: choices.arbitrary()?,
        },
        5 => ServerFrame::Rejected {
            id: "p2".into(),
            stream: words::stream(choices)?.into(),
            code: error_code(choices)?,
            message: "no".into(),
        },
        6 => ServerFrame::Authenticated { expires_in_ms: *choices.choose(&[None, Some(0), Some(60_000)])? },
        7 => ServerFrame::Error {
            code: error_code(choices)?,
            message: "no".into(),
            stream: if choices.arbitrary()? { Some(words::stream(choices)?.into()) } else { None },
        },
        8 => ServerFrame::Drain { reconnect_in_ms: choices.arbitrary()? },
        9 => ServerFrame::Ping,
        10 => ServerFrame::Pong,
        _ => subscribed(choices)?,
    })
}

fn subscribed(choices: &mut Unstructured) -> Result<ServerFrame> {
    Ok(ServerFrame::Subscribed(Subscribed {
        stream: words::stream(choices)?,
        epoch: words::epoch(choices)?,
        after: words::seq(choices)?,
        head: words::seq(choices)?,
        oldest: words::seq(choices)?,
        replayed_upto: words::seq(choices)?,
        reset: match choices.ratio(1, 4)? {
            true => Some(Position { epoch: words::epoch(choices)?, seq: words::seq(choices)? }),
            false => None,
        },
        lost: if choices.ratio(1, 4)? { Some(lost(choices)?) } else { None },
    }))
}

/// As a frame has it: it may even be empty.
fn lost(choices: &mut Unstructured) -> Result<LostRange> {
    let reason = *choices.choose(&[LostReason::Expired, LostReason::Compacted, LostReason::Failed])?;
    let after = words::seq(choices)?;
    let upto = if choices.ratio(1, 4)? { words::seq(choices)? } else { words::range(choices)?.upto() };
    Ok(LostRange { after, upto, reason })
}

fn error_code(choices: &mut Unstructured) -> Result<ErrorCode> {
    Ok(*choices.choose(&[
        ErrorCode::UnknownStream,
        ErrorCode::Unavailable,
        ErrorCode::TooManyRequests,
        ErrorCode::Other,
    ])?)
}

/// An `events` frame, in order or not, inside its range or not.
pub fn events(choices: &mut Unstructured) -> Result<Events> {
    let (after, upto) = match choices.ratio(1, 16)? {
        true => (words::seq(choices)?, words::seq(choices)?),
        false => words::range(choices).map(|range| (range.after(), range.upto()))?,
    };
    let mut heads = Vec::new();
    let mut seq = after;
    for _ in 0..choices.int_in_range(0..=12)? {
        seq = match choices.ratio(1, 32)? {
            true => words::seq(choices)?,
            false => Seq::new(seq.get() + choices.int_in_range(1..=3)?).unwrap_or(Seq::MAX),
        };
        let id_hash = if choices.ratio(1, 8)? { u64::from(choices.arbitrary::<u8>()?) } else { hash_of(seq) };
        let (attempt, critical) = (choices.int_in_range(1..=3)?, choices.ratio(1, 8)?);
        heads.push(Head { seq, id_hash, attempt, critical });
    }
    Ok(Events { after, upto: upto.max(seq), requeued: choices.ratio(1, 8)?, heads })
}

/// What an honest server would send next.
pub fn more_events(after: Seq, count: u64) -> Events {
    let seqs = (after.get() + 1..=after.get() + count).map_while(|seq| Seq::new(seq).ok());
    let heads: Vec<Head> = seqs.map(|seq| Head { seq, id_hash: hash_of(seq), attempt: 1, critical: false }).collect();
    Events { after, upto: heads.last().map_or(after, |last| last.seq), requeued: false, heads }
}

/// Mostly an event has one id, and no two have the same.
fn hash_of(seq: Seq) -> u64 {
    1000 + seq.get()
}
