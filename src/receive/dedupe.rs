//! Which ids were seen lately.

/// The last `capacity` ids, as hashes: a ring for their age and an open-addressing table (linear probing, backward-shift
/// deletion; Knuth, TAOCP 3, 6.4 R) for finding them. The standard `HashSet` does the same for 2 KB more wasm.
///
/// Invariants: a value is in the table exactly if it is in the ring; the table is at most half full; 0 marks a free
/// place in either (a hash of 0 is stored as 1, which merely makes those two ids one: a chance of 2^-64).
#[derive(Clone, Debug)]
pub(super) struct DedupeWindow {
    capacity: usize,
    ring: Vec<u64>,
    /// Where the ring is overwritten next, once it is full.
    oldest: usize,
    table: Vec<u64>,
}

impl DedupeWindow {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ring: Vec::new(), oldest: 0, table: vec![0; 16] }
    }

    /// Remembers the id; `false` if it was known (its age stays what it was).
    pub fn insert(&mut self, hash: u64) -> bool {
        let hash = hash.max(1);
        if self.table[self.place(hash)] == hash {
            return false;
        }
        if self.ring.len() < self.capacity {
            self.ring.push(hash);
            if self.ring.len() * 2 > self.table.len() {
                self.grow();
            }
        } else if let Some(slot) = self.ring.get_mut(self.oldest) {
            let old = std::mem::replace(slot, hash);
            self.oldest = (self.oldest + 1) % self.capacity;
            if old != 0 {
                self.remove(old);
            }
        } else {
            return true; // capacity 0: nothing is remembered
        }
        let place = self.place(hash);
        self.table[place] = hash;
        true
    }

    /// Forgets an id whose event was given up: under another seq it is news again.
    pub fn forget(&mut self, hash: u64) {
        let hash = hash.max(1);
        if let Some(slot) = self.ring.iter_mut().find(|slot| **slot == hash) {
            *slot = 0;
            self.remove(hash);
        }
    }

    /// How many places are taken: by what is remembered, and by what was forgotten and is not overwritten yet.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Where the value is, or the free place where it would go.
    fn place(&self, hash: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while self.table[at] != 0 && self.table[at] != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn remove(&mut self, hash: u64) {
        let mask = self.table.len() - 1;
        let mut hole = self.place(hash);
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let value = self.table[at];
            if value == 0 {
                break;
            }
            // Shift back what would no longer be found across the hole.
            let home = value as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.table[hole] = value;
                hole = at;
            }
        }
        self.table[hole] = 0;
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.table);
        self.table = vec![0; old.len() * 2];
        for value in old.into_iter().filter(|&value| value != 0) {
            let place = self.place(value);
            self.table[place] = value;
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod model;
