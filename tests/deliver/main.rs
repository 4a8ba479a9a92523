//! The sending end by itself, on virtual time.
#![cfg(not(target_arch = "wasm32"))]

mod asking;
mod beginning;
mod bench;
mod bounds;
mod confirming;
mod connection;
mod exact;
mod faults;
mod flow;
mod keeping;
mod operating;
mod repair;
mod retrying;
