//! Against a plain queue of the ids, oldest first.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::DedupeWindow;

#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    Forget(u64),
}

/// Few distinct low bits, so that the table's chains are long and wrap around.
fn hash() -> impl Strategy<Value = u64> {
    (0..6u64, prop_oneof![0..12u64, 10..18u64, Just(u64::from(u32::MAX))]).prop_map(|(high, low)| high << 32 | low)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![9 => hash().prop_map(Op::Insert), 2 => hash().prop_map(Op::Forget)]
}

/// What is forgotten keeps its place in the queue, and ages there.
struct Model {
    capacity: usize,
    queue: VecDeque<Option<u64>>,
}

impl Model {
    fn knows(&self, hash: u64) -> bool {
        self.queue.contains(&Some(hash))
    }

    fn insert(&mut self, hash: u64) -> bool {
        if self.knows(hash) {
            return false;
        }
        self.queue.push_back(Some(hash));
        if self.queue.len() > self.capacity {
            self.queue.pop_front();
        }
        true
    }

    fn forget(&mut self, hash: u64) {
        self.queue.iter_mut().filter(|held| **held == Some(hash)).for_each(|held| *held = None);
    }
}

proptest! {
    #[test]
    fn aw_recv_5_remembers_exactly_the_last_ids(
        capacity in 0..40usize,
        ops in prop::collection::vec((op(), hash()), 1..150),
    ) {
        let mut window = DedupeWindow::new(capacity);
        let mut model = Model { capacity, queue: VecDeque::new() };
        for (op, probe) in &ops {
            match *op {
                // 0 and 1 are one, as the window says of itself.
                Op::Insert(hash) => assert_eq!(window.insert(hash), model.insert(hash.max(1))),
                Op::Forget(hash) => {
                    window.forget(hash);
                    model.forget(hash.max(1));
                }
            }
            assert_eq!(!window.clone().insert(*probe), model.knows((*probe).max(1)), "{probe}");
        }
        for (_, probe) in ops {
            assert_eq!(!window.clone().insert(probe), model.knows(probe.max(1)), "{probe}");
        }
    }
}
