//! `ackwire-server`: the reference server as a program.

fn main() {}
