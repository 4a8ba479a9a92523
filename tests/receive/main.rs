//! The receiving end by itself, on virtual time: what the timelines in `tests/vectors` do not look at.
#![cfg(not(target_arch = "wasm32"))]

mod bench;
mod connecting;
mod counting;
mod keeping;
mod second_life;
mod streams;
