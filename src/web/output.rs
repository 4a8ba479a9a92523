//! What the session wants done, as numbers: one for what, then what belongs to it.

use crate::receive::{Checkpoint, Notice, Session, StateReason, Transmit, Trouble};
use crate::wire::{ClientFrame, ErrorCode, From, Position, SeqRange, Subscribe, Text};

/// What stands for "none".
const NONE: f64 = -1.0;

/// Takes everything out of the session. The outputs by their numbers; `js/shell.ts` has the same list.
pub fn drain(session: &mut Session<u32>, out: &mut Vec<f64>) {
    while let Some(transmit) = session.poll_transmit() {
        put_transmit(transmit, out);
    }
    while let Some(notice) = session.poll_notice() {
        put_notice(notice, out);
    }
    if let Some(checkpoint) = session.poll_checkpoint() {
        put_checkpoint(checkpoint, out);
    }
}

fn put_transmit(transmit: Transmit<u32>, out: &mut Vec<f64>) {
    match transmit {
        Transmit::Token => put(out, &[1.0]),
        Transmit::Open { socket } => put(out, &[2.0, socket.into()]),
        Transmit::Close { socket, code, reason } => {
            put(out, &[3.0, socket.into(), code.into(), f64::from(reason as u8)])
        }
        Transmit::Publish { socket, message } => put(out, &[4.0, socket.into(), message.into()]),
        Transmit::Frame { socket, frame } => {
            put(out, &[5.0, socket.into()]);
            put_frame(frame, out);
        }
    }
}

fn put_frame(frame: ClientFrame, out: &mut Vec<f64>) {
    match frame {
        ClientFrame::Hello(hello) => {
            put(out, &[0.0, hello.subscriptions.len() as f64]);
            hello.subscriptions.into_iter().for_each(|subscribe| put_subscribe(subscribe, out));
        }
        ClientFrame::Subscribe(subscribe) => {
            put(out, &[1.0]);
            put_subscribe(subscribe, out);
        }
        ClientFrame::Unsubscribe { stream } => put(out, &[2.0, stream.0.into()]),
        ClientFrame::Ack(ack) => {
            let (delivered, received) = (ack.delivered.as_f64(), ack.received.as_f64());
            put(out, &[3.0, ack.stream.0.into(), ack.epoch.0.into(), ack.upto.as_f64(), delivered, received]);
            put_ranges(&ack.also, out);
        }
        ClientFrame::Nack(nack) => {
            let retry = f64::from(u8::from(nack.retry));
            let (stream, epoch) = (nack.stream.0.into(), nack.epoch.0.into());
            put(out, &[4.0, stream, epoch, nack.seq.as_f64(), nack.attempt.into(), retry]);
        }
        ClientFrame::Confirm(confirm) => {
            let (stream, epoch) = (confirm.stream.0.into(), confirm.epoch.0.into());
            put(out, &[5.0, stream, epoch, confirm.seq.as_f64(), confirm.attempt.into()]);
        }
        ClientFrame::Resend(resend) => {
            put(out, &[6.0, resend.stream.0.into(), resend.epoch.0.into()]);
            put_ranges(&resend.ranges, out);
        }
        ClientFrame::Auth { .. } => put(out, &[7.0]),
        ClientFrame::Ping => put(out, &[8.0]),
        ClientFrame::Pong => put(out, &[9.0]),
    }
}

fn put_subscribe(subscribe: Subscribe, out: &mut Vec<f64>) {
    let (from, epoch, seq) = match subscribe.from {
        From::Start => (0.0, 0, 0.0),
        From::Now => (1.0, 0, 0.0),
        From::Resume => (2.0, 0, 0.0),
        From::Position(Position { epoch, seq }) => (3.0, epoch.0, seq.as_f64()),
    };
    put(out, &[subscribe.stream.0.into(), from, epoch.into(), seq]);
    put_ranges(&subscribe.also, out);
}

fn put_notice(notice: Notice<u32>, out: &mut Vec<f64>) {
    match notice {
        Notice::Deliver { subscription, payload, start, end } => {
            put(out, &[6.0, subscription.into(), payload.into(), start.into(), end.into()]);
        }
        Notice::State { current, previous, reason, retry_in } => {
            let (detail, code) = match &reason {
                StateReason::SocketClosed { code, reason } => (Some(reason), f64::from(*code)),
                StateReason::TokenFailed { message: detail } | StateReason::ServerMisbehaved { detail } => {
                    (Some(detail), NONE)
                }
                _ => (None, NONE),
            };
            let detail = detail.map_or(NONE, |detail| detail.0.into());
            let retry_in = retry_in.map_or(NONE, |wait| wait.as_millis() as f64);
            let (current, previous) = (f64::from(current as u8), f64::from(previous as u8));
            put(out, &[7.0, current, previous, reason.index().into(), detail, code, retry_in]);
        }
        Notice::Subscribed { subscription, epoch, after, head, replayed_upto } => {
            let (after, head, replayed_upto) = (after.as_f64(), head.as_f64(), replayed_upto.as_f64());
            put(out, &[8.0, subscription.into(), 0.0, epoch.0.into(), after, head, replayed_upto]);
        }
        Notice::Gap { subscription, range } => put_range(1.0, subscription, range, out),
        Notice::Repaired { subscription, range } => put_range(2.0, subscription, range, out),
        Notice::Lost { subscription, range, reason } => {
            put_range(3.0, subscription, range, out);
            put(out, &[f64::from(reason as u8)]);
        }
        Notice::Reset { subscription, void, position } => {
            let (void_epoch, epoch) = (void.epoch.0.into(), position.epoch.0.into());
            put(out, &[8.0, subscription.into(), 4.0, void_epoch, void.seq.as_f64(), epoch, position.seq.as_f64()]);
        }
        Notice::Ended { subscription, seq } => put(out, &[9.0, subscription.into(), seq.as_f64()]),
        Notice::Published { id, seq, duplicate, .. } => {
            put(out, &[10.0, id.0.into(), seq.as_f64(), f64::from(u8::from(duplicate))]);
        }
        Notice::Rejected { id, code, message: Text(message), .. } => {
            put(out, &[11.0, id.0.into(), f64::from(code as u8), message.into()]);
        }
        Notice::Error { code, message: Text(message), subscription } => {
            let code = match code {
                Trouble::Answer(code) => code as u8,
                Trouble::ServerMisbehaved => ErrorCode::Other as u8 + 1,
                Trouble::ProtocolViolation => ErrorCode::Other as u8 + 2,
                Trouble::FrameTooLarge => ErrorCode::Other as u8 + 3,
                Trouble::TokenFailed => ErrorCode::Other as u8 + 4,
            };
            put(out, &[12.0, code.into(), message.into(), subscription.unwrap_or_default().into()]);
        }
        Notice::Flushed => put(out, &[13.0]),
    }
}

fn put_checkpoint(checkpoint: &Checkpoint, out: &mut Vec<f64>) {
    put(out, &[14.0, checkpoint.streams.len() as f64]);
    for entry in &checkpoint.streams {
        put(out, &[entry.stream.0.into(), entry.epoch.0.into(), entry.upto.as_f64()]);
        put_ranges(&entry.also, out);
    }
}

fn put_range(notice: f64, subscription: u32, range: SeqRange, out: &mut Vec<f64>) {
    put(out, &[8.0, subscription.into(), notice, range.after().as_f64(), range.upto().as_f64()]);
}

fn put_ranges(ranges: &[SeqRange], out: &mut Vec<f64>) {
    put(out, &[ranges.len() as f64]);
    for range in ranges {
        put(out, &[range.after().as_f64(), range.upto().as_f64()]);
    }
}

#[inline(never)]
fn put(out: &mut Vec<f64>, numbers: &[f64]) {
    out.extend_from_slice(numbers);
}
