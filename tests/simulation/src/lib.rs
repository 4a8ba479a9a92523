//! Both ends of Ackwire, the real `receive` and `deliver` code, on virtual time: tabs with handlers, producers, a server
//! with connections, feeds and logs, and between them a network that a seed makes misbehave. After every step the
//! promise is checked.
//!
//! `cargo run --release -p ackwire-simulation -- simulate --seeds 0..1000 --profile everything`

mod acting;
mod agenda;
mod application;
mod chance;
mod check;
mod clock;
mod conditions;
mod log;
mod network;
mod pages;
mod plan;
mod producer;
mod profile;
mod reader;
mod requests;
mod run;
mod seen;
mod server;
mod shape;
mod tab;
mod troubles;
mod verdict;
mod wires;
mod world;

pub use conditions::{Conditions, TokenAnswer};
pub use log::{Appended, StreamLog, Wanted};
pub use plan::{Act, ClockStep, Dial, Open, Operation, Plan, Production, What};
pub use profile::Profile;
pub use reader::Reader;
pub use run::{Report, Story};
pub use seen::{Call, Handling, Seen};
pub use server::Server;
pub use tab::{App, Payload, Publication, Tab};
pub use verdict::{Violation, attempt, explain, shorten, trace};
pub use world::{Trace, World};
