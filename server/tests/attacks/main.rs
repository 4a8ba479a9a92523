//! What a malicious page, client, producer or holder of a token can try, and what stops each: the tests that
//! `SECURITY.md` names, besides those of tokens (`auth`, `socket_auth`) and in browsers (`tests/browser/security`).

#[path = "../support/mod.rs"]
mod support;

mod floods;
mod isolation;
mod logs;
mod names;
mod origins;
mod pages;
mod peers;
mod readers;
mod requests;
