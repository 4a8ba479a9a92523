//! What fuzzers do with arbitrary bytes. Each target is a plain function that panics if a promise is broken, so that
//! `fuzz/` can drive it with coverage and the tests here can replay what it found.

mod frames;
mod http;
mod plan;
mod receiver;
mod sender;
mod sessions;
mod words;

pub use frames::frames;
pub use http::http;
pub use sessions::sessions;

/// A target: takes any bytes, panics if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which its folder in `fuzz/corpus/` has too.
pub const TARGETS: [(&str, Target); 3] = [("frames", frames), ("sessions", sessions), ("http", http)];
