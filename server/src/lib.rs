//! The reference server of Ackwire: durable streams behind a [`log::Log`], tracked delivery over WebSocket.

pub mod clock;
pub mod log;
pub mod trouble;
