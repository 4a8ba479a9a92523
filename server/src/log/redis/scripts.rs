//! The scripts that run inside Redis, each one step that happens whole or not at all: nothing else runs meanwhile, and
//! each refuses before it changes anything.

use ackwire::wire::StreamName;
use redis::{Script, ScriptInvocation};
use std::sync::LazyLock;

use super::keys::{self, Partition};

macro_rules! of_a_stream {
    ($file:literal) => {
        LazyLock::new(|| Script::new(concat!(include_str!("lua/stream.lua"), "\n", include_str!($file))))
    };
}

macro_rules! alone {
    ($file:literal) => {
        LazyLock::new(|| Script::new(include_str!($file)))
    };
}

pub(super) static APPEND: LazyLock<Script> = of_a_stream!("lua/append.lua");
pub(super) static TAIL: LazyLock<Script> = of_a_stream!("lua/tail.lua");
pub(super) static TRIM: LazyLock<Script> = of_a_stream!("lua/trim.lua");
pub(super) static READ: LazyLock<Script> = alone!("lua/read.lua");
pub(super) static SAVE: LazyLock<Script> = alone!("lua/save.lua");
pub(super) static FORGET: LazyLock<Script> = alone!("lua/forget.lua");
// Those of consumers that are taken write little, and run even in a Redis that is full.
pub(super) static TAKE: LazyLock<Script> = alone!("lua/take.lua");
pub(super) static RELEASE: LazyLock<Script> = alone!("lua/release.lua");
pub(super) static RENEW: LazyLock<Script> = alone!("lua/renew.lua");
pub(super) static SWEEP: LazyLock<Script> = alone!("lua/sweep.lua");
pub(super) static CLAIM: LazyLock<Script> = alone!("lua/claim.lua");
pub(super) static CURRENT: LazyLock<Script> = alone!("lua/current.lua");
pub(super) static EXPECT: LazyLock<Script> = alone!("lua/expect.lua");

/// What a script that changes a stream is told besides the stream.
pub(super) struct Caller<'a> {
    /// Its clock, in milliseconds since 1970.
    pub(super) now: u64,
    /// The highest seq that it has seen in the stream's partition.
    pub(super) newest: u64,
    /// Whether a restart of this Redis loses nothing.
    pub(super) keeps_all: bool,
    /// Whether a WAIT follows.
    pub(super) waits: bool,
    /// The epoch of the stream if it is new.
    pub(super) epoch: &'a str,
}

/// A call of one of the scripts that begin with `stream.lua`, to which arguments of its own can be added.
pub(super) fn of_stream<'a>(script: &'a Script, stream: &StreamName, caller: &Caller) -> ScriptInvocation<'a> {
    let partition = Partition::of(stream);
    let mut call = script.prepare_invoke();
    call.key(partition.key()).key(keys::meta(stream)).key(keys::events(stream)).key(keys::ids(stream));
    call.key(partition.streams());
    call.arg(stream.as_str()).arg(caller.now).arg(caller.newest).arg(u8::from(caller.keeps_all)).arg(caller.epoch);
    call.arg(u8::from(caller.waits));
    call
}
