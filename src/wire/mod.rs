//! What travels: identifiers, positions, frames, close codes, and their JSON form.
//!
//! Values are checked where they are made; whoever holds one may trust it.

mod client;
mod close;
#[cfg(not(target_arch = "wasm32"))]
mod codec;
mod event;
mod filter;
mod ids;
mod seq;
mod server;
#[cfg(not(target_arch = "wasm32"))]
mod skim;
mod text;
#[cfg(not(target_arch = "wasm32"))]
mod writer;

pub use client::{
    Ack, ClientFrame, ClientSession, Confirm, ConfirmStatus, EventConfirmation, From, Hello, Nack, Resend, Subscribe,
    Window,
};
pub use close::CloseCode;
#[cfg(not(target_arch = "wasm32"))]
pub use codec::{
    Decoded, EventsFrame, FrameError, Publish, decode_client, decode_events, decode_server, encode_events,
    encode_server, to_ascii_json,
};
#[cfg(not(target_arch = "wasm32"))]
pub use event::Event;
pub use event::{Meta, Priority};
pub use filter::Filter;
pub use ids::{
    ConsumerId, Epoch, EventId, EventType, GivenId, GivenStream, GivenStreamRef, InvalidName, SessionId, StreamName,
};
pub use seq::{InvalidSeq, Position, Seq, SeqRange};
pub use server::{ErrorCode, LostRange, LostReason, ServerFrame, ServerInfo, Subscribed, Welcome};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use skim::{Options, Skimmed, skim};
pub(crate) use text::bounded_error;
pub use text::{MAX_ERROR_BYTES, Text, truncate};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use writer::digits;

/// The WebSocket subprotocol of this version [AW-CONN-1].
pub const SUBPROTOCOL: &str = "ackwire.v1";

/// Most ranges that one `ack` or `resend` names.
pub const MAX_RANGES: usize = 64;
