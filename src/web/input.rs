//! What happened, as the facade says it: a number for what, the time in milliseconds, and what belongs to it.

use super::engine::Engine;
use super::numbers::Numbers;
use crate::base::Instant;
use crate::receive::{Batch, Head, Outcome, Phrase, PublishError, SubscribeError, SubscribeOptions};
use crate::wire::{
    ConsumerId, ErrorCode, EventId, From, LostRange, LostReason, SeqRange, ServerFrame, ServerInfo, StreamName,
    Subscribed, Text, Welcome, Window,
};

/// Why a call was refused, as an answer: the place in the facade's list of refusals, below zero.
const ALREADY_SUBSCRIBED: f64 = -1.0;
const TOO_MANY_SUBSCRIPTIONS: f64 = -2.0;
const OUTBOX_FULL: f64 = -3.0;
const DUPLICATE: f64 = -4.0;
const TOO_LARGE: f64 = -5.0;

/// The timer has fired.
pub const TIMEOUT: u32 = 5;

/// The inputs by their numbers; `INPUT` in `js/shell.ts` has the same list.
pub fn hand_in(engine: &mut Engine, input: u32, now: Instant, mut given: Numbers<'_>, ids: &[u8], out: &mut Vec<f64>) {
    let session = &mut engine.session;
    let answer = match input {
        0 => return session.connect(now),
        1 => return session.close(now),
        2 => return session.flush(now),
        3 => return session.handle_wake(now),
        4 => return session.handle_hide(now),
        TIMEOUT => return session.handle_timeout(now),
        6 => return session.handle_token(now, Some(Text::GIVEN)),
        7 => return session.handle_token_failed(now, Text::GIVEN),
        // stream, kind of position, position, window
        8 => {
            let mut options = SubscribeOptions::new(given.stream());
            let kind = given.int();
            let position = given.position();
            options.from = match kind {
                0 => From::Start,
                1 => From::Now,
                2 => From::Resume,
                _ => From::Position(position),
            };
            options.window = Window { events: given.int(), bytes: given.int() };
            match session.subscribe(now, options) {
                Ok(subscription) => f64::from(subscription),
                Err(SubscribeError::AlreadySubscribed) => ALREADY_SUBSCRIBED,
                Err(SubscribeError::TooMany) => TOO_MANY_SUBSCRIPTIONS,
            }
        }
        // id, bytes
        9 => {
            let id = given.int();
            match session.publish(now, (EventId(id), StreamName(0)), id, given.int() as usize) {
                Ok(()) => 0.0,
                Err(PublishError::OutboxFull) => OUTBOX_FULL,
                Err(PublishError::Duplicate) => DUPLICATE,
                Err(PublishError::TooLarge) => TOO_LARGE,
            }
        }
        // every number that is still needed
        10 => {
            out.extend(session.handles().into_iter().map(f64::from));
            (out.len() - 2) as f64
        }
        // of a subscription: its number
        11..=14 => {
            let subscription = given.int();
            match input {
                11 => session.unsubscribe(now, subscription),
                12 => {
                    if let Some(range) = SeqRange::new(given.seq(), given.seq()) {
                        session.settle_run(now, subscription, range);
                    }
                }
                _ => {
                    let (seq, attempt) = (given.seq(), given.int());
                    let outcome = if input == 13 {
                        Outcome::Confirmed
                    } else {
                        Outcome::Failed { error: Text::GIVEN, retry: given.flag() }
                    };
                    session.settle(now, subscription, seq, attempt, outcome);
                }
            }
            return;
        }
        // of a socket: its number
        _ => {
            let socket = given.int();
            match input {
                15 => session.handle_open(now, socket),
                16 => session.handle_closed(now, socket, given.int() as u16, Text::GIVEN),
                17 => session.handle_invalid(now, socket, Text::GIVEN),
                18 => session.handle_unknown(now, socket),
                19 => return events(engine, now, socket, given, ids, out),
                _ => session.handle_frame(now, socket, frame(input, given)),
            }
            return;
        }
    };
    out[1] = answer;
}

/// stream, payload, after, upto, requeued; then of each event its seq, and its attempt twice, plus one if it is critical.
fn events(engine: &mut Engine, now: Instant, socket: u32, mut given: Numbers<'_>, ids: &[u8], out: &mut [f64]) {
    let Engine { session, hasher, heads, .. } = engine;
    let (stream, payload) = (given.stream(), given.int());
    let (after, upto, requeued) = (given.seq(), given.seq(), given.flag());
    heads.clear();
    let (mut ids, mut more) = (ids, false);
    while !given.is_empty() {
        let (seq, delivery) = (given.seq(), given.next() as u64);
        let end = ids.iter().position(|&byte| byte == b'\n');
        let (id, rest) = ids.split_at(end.unwrap_or(ids.len()));
        let id_hash = hasher.hash_bytes(id);
        more = end.is_some();
        ids = rest.get(1..).unwrap_or_default();
        heads.push(Head { seq, id_hash, attempt: (delivery >> 1) as u32, critical: delivery & 1 == 1 });
    }
    if more {
        return session.handle_invalid(now, socket, Phrase::EventId);
    }
    session.handle_events(now, socket, &stream, Batch { after, upto, requeued, heads, payload });
    out[1] = session.held_frames(&stream) as f64;
}

fn frame(input: u32, mut given: Numbers<'_>) -> ServerFrame {
    match input {
        20 => ServerFrame::Ping,
        21 => ServerFrame::Pong,
        22 => ServerFrame::Welcome(Welcome {
            connection: Text::GIVEN,
            consumer: ConsumerId(0),
            heartbeat_ms: given.int(),
            max_frame_bytes: given.int(),
            token_expires_in_ms: given.optional_millis(),
            server: ServerInfo { name: Text::GIVEN, version: Text::GIVEN },
        }),
        23 => {
            let (stream, start) = (given.stream(), given.position());
            ServerFrame::Subscribed(Subscribed {
                stream,
                epoch: start.epoch,
                after: start.seq,
                head: given.seq(),
                oldest: given.seq(),
                replayed_upto: given.seq(),
                reset: given.flag().then(|| given.position()),
                lost: given.flag().then(|| lost(&mut given)),
            })
        }
        24 => ServerFrame::Lost { stream: given.stream(), range: lost(&mut given) },
        25 => ServerFrame::Ended { stream: given.stream(), seq: given.seq() },
        26 => ServerFrame::Published {
            id: EventId(given.int()),
            stream: StreamName(0),
            seq: given.seq(),
            duplicate: given.flag(),
        },
        27 => ServerFrame::Rejected {
            id: EventId(given.int()),
            stream: StreamName(0),
            code: ErrorCode::from_index(given.int()),
            message: Text::GIVEN,
        },
        28 => ServerFrame::Authenticated { expires_in_ms: given.optional_millis() },
        29 => ServerFrame::Error {
            code: ErrorCode::from_index(given.int()),
            message: Text::GIVEN,
            stream: Some(given.stream()),
        },
        _ => ServerFrame::Drain { reconnect_in_ms: given.int() },
    }
}

fn lost(given: &mut Numbers<'_>) -> LostRange {
    let (after, upto) = (given.seq(), given.seq());
    let reason = match given.int() {
        0 => LostReason::Expired,
        1 => LostReason::Compacted,
        _ => LostReason::Failed,
    };
    LostRange { after, upto, reason }
}
