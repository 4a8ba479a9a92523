//! Randomness by actor: what one of them draws shifts nothing for the others, so that a story from which something is
//! left out otherwise stays as it was.

use ackwire::base::Rng;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The stream of random numbers that belongs to a seed and to whatever `who` names.
pub fn stream(seed: u64, who: impl Hash) -> Rng {
    // Its keys are fixed: the same in every run and on every machine.
    let mut hasher = DefaultHasher::new();
    (seed, who).hash(&mut hasher);
    Rng::new(hasher.finish())
}

/// Whether something with this chance happens.
pub fn percent(rng: &mut Rng, chance: u32) -> bool {
    rng.up_to(99) < u64::from(chance)
}

/// A number in `0..=max` that is mostly small.
pub fn small(rng: &mut Rng, max: u64) -> u64 {
    rng.up_to(max).min(rng.up_to(max))
}
