//! Redis in trouble, under servers that have clients and producers: it is slow, full, away, read-only, replaced by a
//! replica that lacks the last writes. Servers keep their clients, say what is the matter, and go on by themselves.

#[path = "../support/mod.rs"]
mod support;

mod drill;
mod failover;
mod troubles;
