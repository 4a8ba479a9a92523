//! Ackwire delivers agent events to a browser: every event, once, in order, confirmed.
//!
//! This crate is the protocol, both ends of it, and the WebAssembly SDK:
//!
//! - [`wire`]: frames, identifiers, positions, close codes, and their JSON form.
//! - [`base`]: time as an argument, ranges, backoff, timers.
//! - [`receive`]: the browser's end. [`receive::Session`] holds a connection and its subscriptions.
//! - [`deliver`]: the server's end. [`deliver::Feed`] sends one stream to one consumer and tracks what becomes of it.
//! - `web`: the browser shell around [`receive`], on `wasm32` only.
//!
//! Nothing here but `web` reads a clock, draws a random number, or does I/O: hand in one input, drain the outputs
//! until they return `None`, arm one timer. The rules are in `PROTOCOL.md`; comments cite its clauses as `[AW-…]`.

pub mod base;
#[cfg(not(target_arch = "wasm32"))]
pub mod deliver;
pub mod receive;
#[cfg(target_arch = "wasm32")]
pub mod web;
pub mod wire;
