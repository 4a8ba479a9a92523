//! What somebody should look at: critical events that are not confirmed in time, runs that fell silent, tools that take
//! too long, runs that end without having begun.
//!
//! [`Detector`] decides; it reads no clock and no log. Feed it events and notices with the time, then drain
//! [`Detector::poll_change`] and arm one timer at [`Detector::poll_timeout`]; when it is due, look in the log where there
//! are [`Detector::doubts`].

mod board;
mod detector;
mod sighting;

pub use board::{Alert, Condition, MAX_ALERTS, MAX_SEQS};
pub use detector::{Detector, Doubt, Found, MAX_RUNS, MAX_TOOLS, Thresholds};
pub use sighting::{Kind, MAX_RUN_BYTES, MAX_TOOL_BYTES, Sighting};
