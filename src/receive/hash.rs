//! Ids as numbers.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// A keyed hash of event ids (SipHash-1-3). The key is drawn per session, so that nobody can craft two ids that a
/// client takes for one.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher {
    keys: (u64, u64),
}

impl IdHasher {
    /// From 128 random bits.
    pub const fn new(key0: u64, key1: u64) -> Self {
        Self { keys: (key0, key1) }
    }

    /// The number that stands for this id within the session.
    pub fn hash(&self, id: &str) -> u64 {
        self.hash_bytes(id.as_bytes())
    }

    /// The same for its bytes.
    pub(crate) fn hash_bytes(&self, id: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(id);
        hasher.finish()
    }
}
