//! The server's end of a subscription: what to send, how much at a time, and what became of it.

mod entry;

pub use entry::Entry;
