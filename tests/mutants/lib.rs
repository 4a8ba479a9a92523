//! The protocol's sources and their quick tests as one crate, so that a mutant costs one compilation and one link instead
//! of seven. `npm run mutants` tries every mutant here first, and those that survive on the real crates.
#![cfg(test)]

// The tests say `ackwire::…`, and the vectors borrow the simulation's log.
extern crate self as ackwire;
extern crate self as ackwire_simulation;

#[path = "../../src/base/mod.rs"]
pub mod base;
#[path = "../../src/deliver/mod.rs"]
pub mod deliver;
#[path = "../../src/receive/mod.rs"]
pub mod receive;
#[path = "../../src/wire/mod.rs"]
pub mod wire;

#[path = "../simulation/src/log.rs"]
mod log;
pub use log::StreamLog;

#[path = "../deliver/main.rs"]
mod deliver_tests;
#[path = "../outbox.rs"]
mod outbox_tests;
#[path = "../receive/main.rs"]
mod receive_tests;
#[path = "../vectors.rs"]
mod vectors;
