//! Queues that are empty most of the time.

use std::collections::VecDeque;

/// The next of a queue. An empty one gives its memory back: thousands of connections wait, and few have something to say.
pub(super) fn take_next<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let next = queue.pop_front();
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    next
}
