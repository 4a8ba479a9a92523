//! Both ends of Ackwire, the real `receive` and `deliver` code, on virtual time: tabs with handlers, a server with feeds
//! and logs, and between them a network that a seed makes misbehave. After every step the promise is checked.
//!
//! `cargo run --release -p ackwire-simulation -- simulate --seeds 0..1000 --profile everything`

mod check;
mod log;
mod profile;
mod run;
mod server;
mod tab;
mod world;

pub use log::StreamLog;
pub use profile::Profile;
pub use run::{Report, simulate};
pub use server::Server;
pub use tab::{Handling, Reader, Seen, Tab};
pub use world::{Trouble, World};
