//! The browser shell: a WebSocket, one timer, the page's life cycle, and the class that the TypeScript facade drives.
//!
//! It owns a [`Session`](crate::receive::Session) and nothing else of the protocol. Each of its callbacks does the same
//! four things in order: hand one input to the session, let the borrow go, drain the outputs, arm the timer. Only then
//! is the application called. JSON is parsed by JavaScript; an event's data never comes here.

mod clock;
mod engine;
pub mod frame;
mod host;
mod page;
mod shell;
mod socket;

/// Half as large as the default one, and faster.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub use engine::{Engine, new_id};
pub use host::{Host, Settings, SubscribeSettings};
