//! The sending end by itself, on virtual time.

mod beginning;
mod bench;
mod confirming;
mod connection;
mod flow;
mod keeping;
mod repair;
mod retrying;
