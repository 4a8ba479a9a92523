//! The WebSocket protocol (RFC 6455) at the server's endpoint, byte by byte against the real program. The cases are those of
//! the Autobahn test suite for servers, under its numbers, as they apply to an endpoint that takes JSON texts and does
//! not echo: what Autobahn has echoed is here a `ping` of ours, answered by `pong` only if every byte of it came
//! through. `+` marks cases that Autobahn does not have. The suite itself runs by `npm run autobahn`.

#[path = "../support/mod.rs"]
mod support;

mod case;
mod closing;
mod fragments;
mod framing;
mod handshake;
mod limits;
mod utf8;
