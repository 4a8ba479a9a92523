//! The browser's end in WebAssembly: a [`Session`](crate::receive::Session), and the socket, the timer and the page's events
//! around it.
//!
//! The facade owns every text. JSON is read and written by JavaScript, names cross as numbers, an event's data never comes
//! here. Each call is the same: one input goes in as a list of numbers ([`input`]), and what the session then wants said
//! and done comes out as another ([`output`]). What the browser tells ([`browser`]) goes to the facade, which reads it and
//! hands it in. Nothing outside is called meanwhile, so nothing can come back in here.

mod browser;
mod engine;
mod input;
mod numbers;
mod output;

/// Small, and takes constant time: two-level segregated fit (Masmano and others, ECRTS 2004).
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

pub use engine::{begin, close, end, hand, heap, ids, new_id, numbers, open, send, stats, watch};
