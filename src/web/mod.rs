//! The browser's end in WebAssembly: a [`Session`](crate::receive::Session) and nothing else.
//!
//! The facade owns the socket, the timer, the page's events, and every text. JSON is read and written by JavaScript, names
//! cross as numbers, an event's data never comes here. Each call is the same: one input goes in as a list of numbers
//! ([`input`]), and what the session then wants done comes out as another ([`output`]), with the time of the next
//! call. Nothing outside is called meanwhile, so nothing can come back in here.

mod engine;
mod input;
mod numbers;
mod output;

/// Half as large as the default one, and faster.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub use engine::{begin, end, hand, heap, ids, numbers, stats};
