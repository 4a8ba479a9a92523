//! A producer: it asks for its events to be appended, one request at a time, and again until it is answered.

use ackwire::wire::StreamName;
use std::collections::VecDeque;

use crate::log::Wanted;

/// Events for one stream, appended with one request.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they go.
    pub stream: StreamName,
    /// Which they are.
    pub events: Vec<Wanted>,
}

/// An application's backend.
#[derive(Debug, Default)]
pub struct Producer {
    queue: VecDeque<Batch>,
    /// Counts requests: only the newest one's answer is awaited.
    request: u64,
}

impl Producer {
    /// Has it append this. Whether it is to ask now.
    pub fn push(&mut self, batch: Batch) -> bool {
        self.queue.push_back(batch);
        self.queue.len() == 1
    }

    /// It asks, for the first time or again: the request's number.
    pub fn ask(&mut self) -> Option<u64> {
        self.queue.front()?;
        self.request += 1;
        Some(self.request)
    }

    /// What is asked for.
    pub fn asked(&self) -> Option<&Batch> {
        self.queue.front()
    }

    /// Whether this request awaits its answer.
    pub fn awaits(&self, request: u64) -> bool {
        self.request == request && !self.queue.is_empty()
    }

    /// The answer to its newest request: it goes on with the next.
    pub fn handle_answer(&mut self) {
        self.queue.pop_front();
        self.request += 1;
    }

    /// Whether everything is answered.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }
}
